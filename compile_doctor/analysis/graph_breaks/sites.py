"""Graph breaks by their root cause: torch records one for each frame that it led to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from itertools import islice
from typing import TYPE_CHECKING

from compile_doctor.analysis.decorated import written_at
from compile_doctor.analysis.graph_breaks.advice import advised, cause_at
from compile_doctor.analysis.graph_breaks.called_back import called_back
from compile_doctor.analysis.graph_breaks.causes import Cause, find_cause
from compile_doctor.analysis.graph_breaks.follow_ons import Groups, Key, fold_follow_ons
from compile_doctor.analysis.graph_breaks.inputs import inputs_at
from compile_doctor.model.compilations import Break
from compile_doctor.model.findings import Location
from compile_doctor.model.stacks import Frame, function_name
from compile_doctor.source import locations

if TYPE_CHECKING:
    from compile_doctor.analysis.context import AnalysisContext

UNKNOWN_RESTART = "Unknown fail_and_restart_analysis"
RAISED = "observed-exception"
CalledBack = Callable[[Location], tuple[int, ...]]


@dataclass(frozen=True)
class BreakSite:
    """One root cause of graph breaks: a line, and why Dynamo stops there."""

    frame: Frame
    cause: Cause
    upstream: str | None
    reason: str
    breaks: tuple[Break, ...]
    callers: int
    """The number of calling frames that broke only because of it."""
    told: bool
    """False if torch named no line of the user's: the place is only where it was noticed."""
    loop: bool
    """Whether the line is in a loop of a frame that Dynamo gave up because of it."""
    followed: tuple[Break, ...] = ()
    """Breaks for other reasons that are only there because of this one."""

    @property
    def all_breaks(self) -> tuple[Break, ...]:
        return (*self.breaks, *self.followed)


def break_sites(seen: AnalysisContext) -> tuple[BreakSite, ...]:
    """The graph breaks of a run by line and cause, without those that are only there because of another one."""
    groups: Groups = defaultdict(list)
    causes: dict[str, Cause] = {}
    for item in seen.evidence.breaks:
        if seen.raised is not None and seen.compilation(item) is seen.raised:
            continue  # fullgraph=True turned it into an error: CD106
        if seen.is_interior(item):
            continue
        frame = seen.place(item)
        if seen.refused_at(item):
            continue
        text = seen.evidence.sources.get(frame.file, "")
        cause = cause_at(find_cause(item.reason, item.upstream), text, frame.line, inputs_at(seen, frame))
        causes[cause.key] = cause
        groups[frame.file, frame.line, cause.key].append(item)
    for item in _unrecorded(seen):
        cause = find_cause(item.reason, None)
        causes[cause.key] = cause
        groups[item.recorded_at[0], item.recorded_at[1], cause.key].append(item)
    _fold_raised(seen, groups)
    followed = fold_follow_ons(seen, groups)
    for key in [key for key, items in groups.items() if all(map(seen.is_leftover, items))]:
        del groups[key]  # of a frame whose break is not in the trace
    back = cache(partial(called_back, seen))  # many breaks are behind one line of the user
    return tuple(_site(seen, breaks, causes[key[2]], followed.get(key, ()), back) for key, breaks in groups.items())


def _unrecorded(seen: AnalysisContext) -> Iterator[Break]:
    """Breaks that torch 2.8 and 2.9 record only as a restart: the frame is known, neither the line nor the reason."""
    recorded = {item.compilation for item in seen.evidence.breaks}
    for index, compilation in enumerate(seen.evidence.compilations):
        if UNKNOWN_RESTART in compilation.restarts and index not in recorded:
            name = function_name(compilation.function)
            line = locations.definition_line(seen.evidence.sources, compilation.file, compilation.line, name)
            yield Break(index, _only_reason(seen), None, (), (compilation.file, line), False, "compilation_metrics")


def _only_reason(seen: AnalysisContext) -> str:
    """What Dynamo could not do according to its counters, if that is a single thing."""
    reasons = {reason for counts in seen.evidence.counts for reason in counts.counters.get("unimplemented", {})}
    return reasons.pop() if len(reasons) == 1 else "Break without a record"


def _fold_raised(seen: AnalysisContext, groups: Groups) -> None:
    """An exception is recorded where it leaves a `finally` or a decorator; the frame that raised it has a record too."""
    left = {key: number for number, key in enumerate(groups) if key[2] == RAISED}
    led: dict[tuple[str, str], set[Key]] = defaultdict(set)
    """By (file, function), the breaks that it led to."""
    for key in left:
        for frame in {f for item in groups[key] for f in _outer_frames(seen, item)}:
            led[frame.file, frame.function].add(key)
    for key in tuple(left):
        first = groups[key][0]
        inside = led[key[0], seen.place(first).function] & left.keys() - {key}
        if locations.in_finally(seen.evidence.sources, key[0], key[1]):
            later = (other for other in left if groups[other][0].compilation > first.compilation)
            inside |= {*islice(later, 1)}
        if inside:
            into = min(inside, key=left.__getitem__)
            for item in groups[key]:
                for frame in _outer_frames(seen, item):
                    led[frame.file, frame.function].add(into)
            groups[into].extend(groups.pop(key))
            del left[key]


def _outer_frames(seen: AnalysisContext, item: Break) -> tuple[Frame, ...]:
    """The frames that led to the break: a `dynamo_error` has only those below the compiled one."""
    compilation = seen.compilation(item)
    return (compilation.stack[:-1] if compilation else ()) + item.stack[:-1]


def _site(
    seen: AnalysisContext, breaks: list[Break], cause: Cause, followed: Iterable[Break], back: CalledBack
) -> BreakSite:
    frame = seen.place(breaks[0])
    own = [item for item in breaks if _is_own_frame(seen, item, frame)]
    callers = {item.compilation for item in breaks} - {item.compilation for item in own}
    loop = any(seen.in_loop(item) for item in own)
    led = seen.via(breaks[0].stack, frame)
    frame = written_at(seen.evidence, frame)
    return BreakSite(
        frame=frame,
        cause=advised(
            cause,
            breaks[0].reason,
            seen.evidence.sources,
            frame,
            seen.owner(frame.file),
            led,
            inputs_at(seen, frame),
            breaks[0].stack,
            back(led) if led else (),
        ),
        upstream=next((item.upstream for item in breaks if item.upstream), None),
        reason=breaks[0].reason,
        breaks=tuple(breaks),
        callers=len(callers),
        told=bool(breaks[0].stack)
        and not (cause.key == RAISED and locations.in_finally(seen.evidence.sources, frame.file, frame.line)),
        loop=loop,
        followed=tuple(followed),
    )


def _is_own_frame(seen: AnalysisContext, item: Break, frame: Frame) -> bool:
    """Whether the frame being compiled is the one that holds the breaking line."""
    compilation = seen.compilation(item)
    return compilation is not None and seen.same_function(compilation, frame)
