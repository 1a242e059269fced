"""What a package calls back: lines of the user's file that it ran because another line of that file had called it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compile_doctor.model.findings import Location
from compile_doctor.source import locations

if TYPE_CHECKING:
    from compile_doctor.analysis.context import AnalysisContext


def called_back(seen: AnalysisContext, led: Location) -> tuple[int, ...]:
    """Numbers of lines in the file of a user's line that a package called, which that line had called."""
    found: dict[int, None] = {}
    for one in seen.evidence.compilations:
        at = next((n for n, frame in enumerate(one.stack) if (frame.file, frame.line) == (led.file, led.line)), None)
        inner = [frame.file for frame in one.stack[at + 1 :]] if at is not None else []
        if any(seen.owner(file) == "dependency" and not locations.is_stdlib(file) for file in inner):
            operators = one.traced.operators if one.traced else ()
            lines = [one.line] if one.file == led.file else []
            found.update(dict.fromkeys([*lines, *(each.line for each in operators if each.file == led.file)]))
    return tuple(found)
