"""Reads several captures of one distributed run, such as one of each machine, as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from compile_doctor.capture.joined import joined
from compile_doctor.capture.load import load_capture
from compile_doctor.capture.ranks import Collector
from compile_doctor.errors import CaptureError
from compile_doctor.model.asked import Asked
from compile_doctor.model.evidence import Child, Evidence
from compile_doctor.model.ranks import RankGroup, Ranks, ranges


@dataclass(frozen=True)
class Groups:
    """What the ranks of a capture did, once for all that did the same."""

    groups: tuple[RankGroup, ...]
    sources: Mapping[str, str]


@dataclass(frozen=True)
class Part:
    """One capture, without what its groups did: a few hundred bytes for each rank."""

    name: str
    asked: Asked
    children: tuple[Child, ...]
    damage: tuple[str, ...]
    lost: tuple[str, ...]
    ranks: Ranks
    """Its groups have only their keys."""


def load_captures(paths: Sequence[Path]) -> Evidence:
    """One capture, or several of the same run. Raises CaptureError if they do not belong together."""
    if len(paths) == 1:
        return load_capture(paths[0])
    together = Together()
    for path in paths:
        part, groups = split(str(path), load_capture(path))
        together.add(part, _given(groups))
    return together.evidence()


def split(name: str, evidence: Evidence) -> tuple[Part, Groups]:
    """A capture as what is particular to it, and what others may have too. Raises CaptureError if it has no ranks."""
    ranks = evidence.ranks
    if not ranks:
        raise CaptureError(
            f"{name} has no ranks: several captures are read together only if they are of one distributed run.",
            hint="Report it by itself.",
        )
    keys = tuple(RankGroup(group.key, group.outline, (), None) for group in ranks.groups)
    part = Part(name, evidence.asked, evidence.children, evidence.damage, evidence.lost, replace(ranks, groups=keys))
    return part, Groups(ranks.groups, evidence.sources)


class Together:
    """Takes the parts of a run one after the other; `evidence` is the result."""

    def __init__(self) -> None:
        self._collector = Collector()
        self._parts: list[Part] = []
        self._from: dict[int, str] = {}
        self._launches: dict[str, str] = {}
        self._sources: dict[str, str] = {}

    def add(self, part: Part, groups: Callable[[], Groups]) -> None:
        """Adds a part. `groups` is called only if ranks of it did what none before did. Raises CaptureError."""
        self._require_one_run(part)
        ranks = part.ranks
        if not self._collector.knows(ranks.groups):
            found = groups()
            ranks = replace(ranks, groups=found.groups)
            self._sources.update(found.sources)
        self._collector.add_all(ranks, part.name)
        self._parts.append(replace(part, ranks=Ranks(outside=ranks.outside)))

    def evidence(self) -> Evidence:
        """The evidence of all parts."""
        outside = [part.ranks.outside for part in self._parts if part.ranks.outside is not None]
        whole = joined(self._collector.ranks(_together(outside)), self._parts[0].asked, ())
        return replace(
            whole,
            children=tuple(child for part in self._parts for child in part.children),
            sources=self._sources,
            damage=tuple(f"{part.name}: {text}" for part in self._parts for text in part.damage),
            lost=tuple(f"{part.name}: {text}" for part in self._parts for text in part.lost),
        )

    def _require_one_run(self, part: Part) -> None:
        for one in part.ranks.all:
            if one.who.launch:
                self._launches.setdefault(one.who.launch, part.name)
        if len(self._launches) > 1:
            raise CaptureError(
                f"{' and '.join(dict.fromkeys(self._launches.values()))} are of different launches: "
                f"{', '.join(sorted(self._launches))}.",
                hint="Report each by itself, or give captures of the machines of one launch.",
            )
        twice = {one.number for one in part.ranks.all} & self._from.keys()
        if twice:
            raise CaptureError(
                f"{self._from[min(twice)]} and {part.name} both have rank {ranges(twice)}, so they are not two machines of one run.",
                hint="Give each machine's capture once.",
            )
        self._from |= dict.fromkeys((one.number for one in part.ranks.all), part.name)


def _given(groups: Groups) -> Callable[[], Groups]:
    return lambda: groups


def _together(outside: Sequence[Evidence]) -> Evidence | None:
    """The launchers of all machines."""
    if not outside:
        return None
    return replace(outside[0], failures=tuple(failure for one in outside for failure in one.failures))
