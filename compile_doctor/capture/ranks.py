"""Reads the ranks of a distributed run one by one, and keeps the evidence of one of those that did the same.

Ranks of one program mostly do the same. Kept are: for each rank who it is and its times; for each group of equal ranks
their steps, by which groups are compared; for the first groups also the whole evidence, from which findings are made.
So memory does not grow with the ranks, but with what differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from compile_doctor.capture.rank_files import Files
from compile_doctor.capture.sameness import facts_of, outline_of, sameness
from compile_doctor.capture.schema import SharedRank
from compile_doctor.capture.steps import steps_of
from compile_doctor.model.evidence import Evidence
from compile_doctor.model.ranks import Rank, RankGroup, Ranks, Step

RANKS = "ranks.json"
"""Of a digest: all ranks, of which only some have files."""

MOST_GROUPS = 48
"""Groups whose evidence is kept whole."""


class Collector:
    """Takes the ranks one after the other; `ranks` is the result."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._groups: list[RankGroup] = []
        self._outlines: set[str] = set()
        self._steps: dict[Step, Step] = {}
        self._facts: dict[tuple[tuple[str, str], ...], Mapping[str, str]] = {}
        self._all: list[Rank] = []

    def add(self, files: Files, evidence: Evidence, whole: Callable[[], Evidence]) -> None:
        """Adds a rank that was just read. `whole` reads it with all details, if it is the first of its group."""
        assert files.who is not None
        key = sameness(evidence)
        if key not in self._numbers:
            steps = tuple(steps_of(evidence))
            group = RankGroup(key, outline_of(steps, evidence), steps, None, evidence.compile_calls)
            self._take(replace(group, evidence=whole() if self._keeps(group) else None))
        self._all.append(
            Rank(
                replace(files.who, mesh=evidence.mesh) if evidence.mesh else files.who,
                self._numbers[key],
                processes=tuple(sorted(files.processes)),
                seconds=tuple(one.seconds for one in evidence.compilations),
                begun=tuple(one.begun for one in evidence.compilations),
                facts=self._once(facts_of(evidence)),
            )
        )

    def knows(self, groups: Iterable[RankGroup]) -> bool:
        """Whether ranks that did the same as all of these were added before."""
        return all(group.key in self._numbers for group in groups)

    def add_all(self, ranks: Ranks, source: str = "") -> None:
        """Adds the ranks of another process, or another capture."""
        for group in ranks.groups:
            if group.key not in self._numbers:
                self._take(group if self._keeps(group) else replace(group, evidence=None))
        for one in (*ranks.all, *ranks.earlier):
            self.add_rank(one, ranks.groups[one.group].key, source)

    def add_rank(self, rank: Rank, key: str, source: str = "") -> None:
        """Adds a rank whose group is known."""
        facts = self._once(rank.facts)
        self._all.append(replace(rank, group=self._numbers[key], source=source or rank.source, facts=facts))

    def add_shared(self, shared: Iterable[SharedRank]) -> None:
        """Adds the ranks of a digest that share the files of one that was read."""
        shared = tuple(shared)
        read = {(one.who.launch, one.who.restart, one.number): self._groups[one.group].key for one in self._all}
        keys = {
            one.key: read[identity]
            for one in shared
            if (identity := (one.rank.who.launch, one.rank.who.restart, one.rank.number)) in read
        }
        for one in shared:
            known = (one.rank.who.launch, one.rank.who.restart, one.rank.number) in read
            if not known and one.key in keys:
                self.add_rank(one.rank, keys[one.key])

    def _keeps(self, group: RankGroup) -> bool:
        """Whether the evidence of a new group is kept."""
        new = group.outline not in self._outlines
        return len(self._groups) < MOST_GROUPS or (new and len(self._outlines) < MOST_GROUPS)

    def _take(self, group: RankGroup) -> None:
        steps = tuple(self._steps.setdefault(step, step) for step in group.steps)
        self._outlines.add(group.outline)
        self._numbers[group.key] = len(self._groups)
        self._groups.append(replace(group, steps=steps))

    def _once(self, facts: Mapping[str, str]) -> Mapping[str, str]:
        """One object for the equal facts of many ranks."""
        return self._facts.setdefault(tuple(facts.items()), facts)

    def everything(self) -> Ranks:
        """All ranks as they were added, of whatever launch."""
        return Ranks(tuple(self._all), tuple(self._groups))

    def ranks(self, outside: Evidence | None) -> Ranks:
        """The result: the ranks of the last launch, and apart from them those of earlier ones."""
        read_at = {(one.who.launch, one.who.restart): at for at, one in enumerate(self._all)}
        # Later restarts are later; of different launches, the one that was read last.
        last = max(read_at, default=("", 0), key=lambda launch: (launch[1], read_at[launch]))
        now = [one for one in self._all if (one.who.launch, one.who.restart) == last]
        earlier = [one for one in self._all if (one.who.launch, one.who.restart) != last]
        ordered = tuple(sorted(now, key=lambda one: one.number))
        return Ranks(ordered, tuple(self._groups), outside, tuple(earlier))
