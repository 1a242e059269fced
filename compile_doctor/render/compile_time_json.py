"""Where the compile time went, as the records of the report's document."""

from __future__ import annotations

from collections.abc import Iterable

from compile_doctor.model.guards import TimedGuards
from compile_doctor.model.stacks import Frame
from compile_doctor.model.timeline import TimedCompilation, Timeline
from compile_doctor.render import compile_time_document, finding_document


def compile_time(timelines: Iterable[Timeline]) -> compile_time_document.CompileTime | None:
    """None if nothing was timed."""
    timed = [one for one in timelines if one.compilations]
    if not timed:
        return None
    longest = max(timed, key=lambda one: sum(one.phases.values()))
    return compile_time_document.CompileTime(
        seconds=_seconds(sum(longest.phases.values())),
        phases=phases_of(longest.phases.items()),
        compilations=tuple(_compilation(one, line.rank) for line in timed for one in line.compilations),
    )


def _compilation(one: TimedCompilation, rank: int | None) -> compile_time_document.TimedCompilation:
    return compile_time_document.TimedCompilation(
        compile_id=one.compile_id,
        rank=rank,
        location=_location(one.frame),
        start_seconds=_seconds(one.timing.start),
        seconds=_seconds(one.timing.duration),
        phases=phases_of(one.timing.phases),
        recompilation=one.recompilation,
        reason=one.reason,
        restarts=one.restarts,
        finished=one.finished,
        caches=tuple(
            compile_time_document.CacheAnswer(
                cache=answer.cache,
                answer=answer.answer,
                reason=answer.reason,
                key=answer.key,
                saved_seconds=None if answer.saved is None else round(answer.saved, 3),
            )
            for answer in one.caches
        ),
    )


def guards_of(one: TimedGuards) -> compile_time_document.Guards:
    return compile_time_document.Guards(
        compile_id=one.cost.compile_id,
        location=_location(one.frame),
        microseconds=one.cost.microseconds,
        flushed_microseconds=one.flushed,
        guards=one.cost.guards,
        python=one.cost.python,
        slowest=tuple(
            compile_time_document.SlowGuard(source=guard.source, guard=guard.guard, microseconds=guard.microseconds)
            for guard in one.cost.slowest
        ),
    )


def _location(frame: Frame) -> finding_document.Location:
    return finding_document.Location(
        file=frame.file, line=max(frame.line, 1), function=frame.function, snippet=frame.code
    )


def phases_of(phases: Iterable[tuple[str, int]]) -> dict[str, float | None]:
    return {phase: _seconds(spent) for phase, spent in phases if spent}


def _seconds(microseconds: int) -> float:
    return round(microseconds / 1e6, 4)
