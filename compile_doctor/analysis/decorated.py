"""Lines of code that was generated in memory: a reader finds the function that was decorated, or the class, in a file."""

from __future__ import annotations

from compile_doctor.model.evidence import Evidence
from compile_doctor.model.stacks import Frame
from compile_doctor.source import locations


def written_at(evidence: Evidence, frame: Frame) -> Frame:
    """What a line of generated code stands for, if the probe found it; any other line is itself."""
    starts = [
        (line, at)
        for (file, line, name), at in evidence.generated.items()
        if file == frame.file and name == frame.function and line <= frame.line
    ]
    if not starts:
        return frame
    _, at = max(starts)
    name = at.function.rpartition(".")[2]
    return Frame(at.file, locations.definition_line(evidence.sources, at.file, at.line, name), name)
