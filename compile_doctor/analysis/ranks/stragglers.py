"""Which ranks make the others wait, because their compilations take much longer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from compile_doctor.analysis.ranks.comparable import cohorts
from compile_doctor.model.ranks import Rank, Ranks

LEAST = 10.0
"""Seconds longer than the median: less is the noise of machines and caches."""
TIMES = 2.0
"""And this many times the median."""


@dataclass(frozen=True)
class Straggler:
    """Ranks of one stage that compile much longer than the median."""

    ranks: tuple[Rank, ...]
    seconds: float
    """Of the slowest of them."""
    usual: float
    """The median of all ranks of the stage."""
    missed: tuple[int, int]
    """Misses of the caches of compiled code: on the slowest of them, and on the rank with the fewest."""


def total(rank: Rank) -> float:
    """Seconds of all its compilations."""
    return sum(second or 0.0 for second in rank.seconds)


def misses(ranks: Ranks, rank: Rank) -> int:
    """Compilations that the caches of compiled code did not have."""
    return sum(answer.endswith("_miss") for step in ranks.groups[rank.group].steps for answer in step.cache)


def hits(ranks: Ranks, rank: Rank) -> int:
    """Compilations that the caches had."""
    return sum(answer.endswith("_hit") for step in ranks.groups[rank.group].steps for answer in step.cache)


def stragglers(ranks: Ranks) -> Iterator[Straggler]:
    for stage in cohorts(ranks):
        members = [one for cohort in stage for one in cohort.ranks]
        usual = median(map(total, members)) if len(members) > 2 else min(map(total, members))
        slow = [one for one in members if total(one) > usual * TIMES and total(one) > usual + LEAST]
        if slow:
            slowest = max(slow, key=total)
            fewest = min(misses(ranks, one) for one in members)
            yield Straggler(tuple(slow), total(slowest), usual, (misses(ranks, slowest), fewest))
