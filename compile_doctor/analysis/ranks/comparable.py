"""Which ranks should do the same: all of them, except that the stages of a pipeline have different code on purpose."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from compile_doctor.model.evidence import Evidence
from compile_doctor.model.ranks import Rank, RankGroup, Ranks

_STAGE = re.compile(r"\b(?:pp|pipe|pipeline|stage)=([\d+]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Cohort:
    """Ranks that did the same apart from sizes and values, among ranks that should."""

    index: int
    group: RankGroup
    ranks: tuple[Rank, ...]

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(one.number for one in self.ranks)


@dataclass(frozen=True)
class Pair:
    """Ranks that differ from the majority of those that should do the same."""

    usual: Cohort
    other: Cohort


def stages(ranks: Ranks) -> Iterator[tuple[Rank, ...]]:
    """The ranks of each stage of a pipeline; all ranks if there are no stages."""
    found: dict[str, list[Rank]] = defaultdict(list)
    for one in ranks.all:
        stage = _STAGE.search(one.who.mesh)
        found[stage[1] if stage else ""].append(one)
    yield from map(tuple, found.values())


def cohorts(ranks: Ranks) -> Iterator[tuple[Cohort, ...]]:
    """The cohorts of each pipeline stage, the largest first; of equal ones that of the lowest rank.

    Groups that differ only in sizes and values are one cohort.
    """
    stand_ins = ranks.stand_ins()
    for stage in stages(ranks):
        outlines: dict[str, list[Rank]] = defaultdict(list)
        for one in stage:
            outlines[ranks.groups[one.group].outline].append(one)
        found = []
        for members in outlines.values():
            index = stand_ins[members[0].group]
            found.append(Cohort(index, ranks.groups[index], tuple(members)))
        yield tuple(sorted(found, key=lambda one: (-len(one.ranks), one.numbers[0])))


def pairs(ranks: Ranks) -> Iterator[Pair]:
    """Each other cohort with the usual one of its stage."""
    for usual, *others in cohorts(ranks):
        for other in others:
            yield Pair(usual, other)


def evidence_of(whole: Evidence, group: RankGroup) -> Evidence | None:
    """A group's evidence with what belongs to the run as a whole, as the evidence of one process."""
    if group.evidence is None:
        return None
    # That the command was stopped is a finding about all ranks, not one about each.
    children = tuple(replace(one, ended="interrupted") if one.ended == "timeout" else one for one in whole.children)
    return replace(group.evidence, asked=whole.asked, children=children, sources=whole.sources)
