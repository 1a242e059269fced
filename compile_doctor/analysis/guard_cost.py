"""What the guards cost at each call of the target: by function, and as a share of the call."""

from __future__ import annotations

from dataclasses import dataclass

from compile_doctor.analysis.compiled_function import function_of
from compile_doctor.model.evidence import Evidence
from compile_doctor.model.guards import TimedGuards


def timed_guards(evidence: Evidence) -> tuple[TimedGuards, ...]:
    """Each compilation whose guards were timed, the most expensive first. Of equal ids (after a reset) the last one."""
    compiled = {(one.process, one.label): one for one in evidence.compilations}
    found = []
    last = {(process, cost.compile_id): cost for process, cost in evidence.guards}
    for (process, _), cost in last.items():
        one = compiled.get((process, cost.compile_id))
        if one is not None:
            found.append(TimedGuards(process, function_of(evidence.sources, one), cost, one.guards[1]))
    return tuple(sorted(found, key=lambda one: (-one.cost.microseconds, one.cost.compile_id)))


@dataclass(frozen=True)
class GuardShare:
    """The guards of one call of the target: at least this much, since a function may be called more than once in it."""

    seconds: float
    call: float
    """Seconds of the quickest call after the first."""
    guards: tuple[TimedGuards, ...]
    """The cheapest compilation of each function that is compiled."""

    @property
    def share(self) -> float:
        return self.seconds / self.call if self.call else 0.0


def guard_share(evidence: Evidence) -> GuardShare | None:
    """None if calls or guards were not timed, or not well enough. One compilation counts for each frame: the cheapest, if there are several."""
    call = evidence.facts.warm_call
    cheapest: dict[tuple[str, str], TimedGuards] = {}
    for one in timed_guards(evidence):
        cheapest[one.process, one.cost.compile_id.partition("/")[0]] = one
    if not call or not cheapest:
        return None
    if sum(one.cost.microseconds for one in cheapest.values()) / 1e6 > call:
        return None  # more than the call that contains them: something else ran while they were timed
    kept = tuple(sorted(cheapest.values(), key=lambda one: -one.cost.microseconds))
    return GuardShare(sum(one.cost.microseconds for one in kept) / 1e6, call, kept)
