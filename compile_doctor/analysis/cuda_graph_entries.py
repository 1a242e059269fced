"""The `cuda_graphs` part of the report: one entry for each compiled graph that should have been captured."""

from __future__ import annotations

from dataclasses import dataclass

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.model.findings import Location
from compile_doctor.model.stacks import function_name


@dataclass(frozen=True)
class CudaGraphEntry:
    """The fields of the JSON schema."""

    compile_id: str
    location: Location
    state: str
    functions: int
    recordings: int
    replays: int
    reasons: tuple[tuple[str, int, Location | None], ...]
    """(torch's words, operators, the line that torch names)."""


def cuda_graph_entries(seen: AnalysisContext) -> tuple[CudaGraphEntry, ...]:
    """In the order of the compilations."""
    found = []
    for one in seen.cuda_graphs:
        compilation = one.compilation
        reasons = tuple(
            (
                reason.text,
                reason.count,
                seen.location(reason.frame.file, reason.frame.line, reason.frame.function) if reason.frame else None,
            )
            for reason in one.reasons
        )
        location = seen.location(compilation.file, compilation.line, function_name(compilation.function))
        found.append(
            CudaGraphEntry(
                compilation.label, location, one.state, len(one.functions), one.recordings, one.replays, reasons
            )
        )
    return tuple(found)
