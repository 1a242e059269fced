"""What a break leads to, in the finding about it: further breaks with their lines, and recompilations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.graph_breaks.sites import BreakSite
from compile_doctor.analysis.recompiles.groups import Recompiled
from compile_doctor.analysis.recompiles.of_breaks import following
from compile_doctor.model.compilations import Break
from compile_doctor.model.findings import Location
from compile_doctor.model.stacks import function_name
from compile_doctor.source import locations

_NAMED = 3
"""Recompilations of which the finding says what varied; of the others it has the number, and the functions."""


def also(seen: AnalysisContext, site: BreakSite) -> tuple[Location, ...]:
    """The other lines for which torch records a break, and that break only because of this one."""
    found: dict[tuple[str, int], Location] = {}
    for item in site.all_breaks:
        file, line = item.recorded_at
        if line and (file, line) != site.frame[:2] and (_is_generated(file) or not _is_called(seen, file)):
            found[file, line] = Location(file, line, _function(seen, item), seen.snippet(file, line))
    return tuple(found.values())


def _function(seen: AnalysisContext, item: Break) -> str:
    """The function of the recorded line; of generated code, which has no source, that of the compiled frame."""
    file, line = item.recorded_at
    compiled = seen.compilation(item)
    if compiled and compiled.file == file and file not in seen.evidence.sources:
        return function_name(compiled.function)
    return locations.enclosing(seen.evidence.sources, file, line)


def _is_called(seen: AnalysisContext, file: str) -> bool:
    """Whether the file is torch's or Python's own: the line that calls it is what a reader looks for."""
    return locations.is_called(file) or seen.owner(file) == "torch"


def _is_generated(file: str) -> bool:
    return file.startswith("<") and not file.startswith(("<frozen", "<eval_with_key"))


def further(seen: AnalysisContext, site: BreakSite) -> Iterator[str]:
    """Sentences about the breaks and the recompilations that follow."""
    if site.followed:
        yield f"{_number(len(site.followed), 'further break')} {_follow(len(site.followed))} from it."
    again = following(seen, site)
    if again:
        times = sum(len(group.compilations) for group in again)
        words = list(dict.fromkeys(group.guard.words for group in again))
        named = "; ".join([*words[:_NAMED], *(["…"] if len(words) > _NAMED else [])])
        yield f"{_number(times, 'recompilation')} {_follow(times)} from it: {named}."


def recompiled(seen: AnalysisContext, site: BreakSite) -> Iterator[str]:
    """Lines of evidence about the recompilations that follow."""
    again = following(seen, site)
    for group in again[:_NAMED]:
        yield f"guard: {group.reason.splitlines()[0].split('  # ')[0].strip()}"
    if again[_NAMED:]:
        yield f"recompiled too: {_functions(again[_NAMED:])}"


def _functions(groups: Sequence[Recompiled]) -> str:
    """`Kernel.forward, 4 times (kernel.py:30)`, …"""
    times: Counter[tuple[str, str, int]] = Counter()
    for group in groups:
        times[group.function, group.file, group.line] += len(group.compilations)
    return ", ".join(
        f"{function}{f', {count} times' if count > 1 else ''} ({locations.short(file)}:{line})"
        for (function, file, line), count in times.items()
    )


def _follow(count: int) -> str:
    return "follows" if count == 1 else "follow"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"
