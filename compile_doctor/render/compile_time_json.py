"""Where the compile time went, as the records of the report's document."""

from __future__ import annotations

from collections.abc import Iterable

from compile_doctor.model.timeline import TimedCompilation, Timeline
from compile_doctor.render import report_document


def compile_time(timelines: Iterable[Timeline]) -> report_document.CompileTime | None:
    """None if nothing was timed."""
    timed = [one for one in timelines if one.compilations]
    if not timed:
        return None
    longest = max(timed, key=lambda one: sum(one.phases.values()))
    return report_document.CompileTime(
        seconds=_seconds(sum(longest.phases.values())),
        phases=phases_of(longest.phases.items()),
        compilations=tuple(_compilation(one, line.rank) for line in timed for one in line.compilations),
    )


def _compilation(one: TimedCompilation, rank: int | None) -> report_document.TimedCompilation:
    return report_document.TimedCompilation(
        compile_id=one.compile_id,
        rank=rank,
        location=report_document.Location(
            file=one.frame.file, line=max(one.frame.line, 1), function=one.frame.function, snippet=one.frame.code
        ),
        start_seconds=_seconds(one.timing.start),
        seconds=_seconds(one.timing.duration),
        phases=phases_of(one.timing.phases),
        recompilation=one.recompilation,
        reason=one.reason,
        restarts=one.restarts,
        finished=one.finished,
        caches=tuple(
            report_document.CacheAnswer(
                cache=answer.cache,
                answer=answer.answer,
                reason=answer.reason,
                key=answer.key,
                saved_seconds=None if answer.saved is None else round(answer.saved, 3),
            )
            for answer in one.caches
        ),
    )


def phases_of(phases: Iterable[tuple[str, int]]) -> dict[str, float | None]:
    return {phase: _seconds(spent) for phase, spent in phases if spent}


def _seconds(microseconds: int) -> float:
    return round(microseconds / 1e6, 4)
