"""Puts the compilations and calls of a run on one time axis; for a run with ranks, one for each group that did the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from compile_doctor.analysis.compiled_function import function_of
from compile_doctor.model.compilations import Compilation
from compile_doctor.model.evidence import Evidence
from compile_doctor.model.ranks import Rank
from compile_doctor.model.timeline import OtherRank, Span, TimedCompilation, Timeline, Timing


def timelines(evidence: Evidence) -> tuple[Timeline, ...]:
    """Empty if nothing was timed. All of them have the same begin, so that ranks can be shown side by side."""
    found = list(_of_ranks(evidence)) if evidence.ranks else [_timeline(evidence)]
    known = [one for one in found if one.compilations or one.calls or one.aside]
    begun = min((one.start for one in known), default=0)
    return tuple(_since(one, begun) for one in known)


def _of_ranks(evidence: Evidence) -> Iterator[Timeline]:
    for number, group in enumerate(evidence.ranks.groups):
        ranks = evidence.ranks.of_group(number)
        if group.evidence is None or not ranks:
            continue
        begun = tuple(one.begun for one in group.evidence.compilations)
        shown = next((one for one in ranks if one.begun == begun), ranks[0])
        others = tuple(_other(one) for one in ranks if one is not shown)
        kept = replace(group.evidence, sources=evidence.sources)
        yield replace(_timeline(kept), rank=shown.number, others=others)
    if evidence.ranks.outside is not None:
        yield _timeline(evidence.ranks.outside)


def _other(rank: Rank) -> OtherRank:
    lasted = tuple(None if one is None else round(one * 1e6) for one in rank.seconds)
    return OtherRank(rank.number, rank.begun or (None,) * len(lasted), lasted)


def _timeline(evidence: Evidence) -> Timeline:
    """With times since 1970."""
    compiled = tuple(_timed(one, one.timing, evidence.sources) for one in evidence.compilations if one.timing)
    starts = [
        *(one.timing.start for one in compiled),
        *(one.start for one in evidence.calls),
        *(one.start for one in evidence.aside),
    ]
    return Timeline(min(starts, default=0), compiled, evidence.calls, evidence.aside)


def _timed(one: Compilation, timing: Timing, sources: Mapping[str, str]) -> TimedCompilation:
    return TimedCompilation(
        process=one.process,
        compile_id=one.label,
        frame=function_of(sources, one),
        recompilation=max(one.frame_compile_id, 0),
        reason=one.recompile_reasons[0] if one.recompile_reasons else "",
        restarts=len(one.restarts),
        finished=one.guarded is True,
        timing=timing,
        caches=one.answers,
    )


def _since(timeline: Timeline, begun: int) -> Timeline:
    """The same with times since the begin of the run."""

    def spans(found: tuple[Span, ...]) -> tuple[Span, ...]:
        return tuple(replace(one, start=one.start - begun) for one in found)

    return replace(
        timeline,
        start=begun,
        compilations=tuple(
            replace(one, timing=replace(one.timing, start=one.timing.start - begun, spans=spans(one.timing.spans)))
            for one in timeline.compilations
        ),
        calls=tuple(replace(one, start=one.start - begun) for one in timeline.calls),
        aside=spans(timeline.aside),
        others=tuple(
            replace(one, starts=tuple(None if at is None else at - begun for at in one.starts))
            for one in timeline.others
        ),
    )
