"""A graph that the caches of some ranks had, and those of others had not, if the former waited for the latter."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from compile_doctor.analysis.ranks.comparable import stages
from compile_doctor.analysis.ranks.divergence import Function, function_of
from compile_doctor.analysis.starts import ChangedPart, changed_parts
from compile_doctor.model.compilations import Compilation
from compile_doctor.model.ranks import Rank, Ranks, Step
from compile_doctor.model.timeline import CacheAnswer

LEAST = 1.0
"""Seconds that the others waited, in all."""


@dataclass(frozen=True)
class Asked:
    """One graph: who found it in the cache, who had to compile it, and how long the former waited."""

    step: Step
    hit: tuple[Rank, ...]
    missed: tuple[Rank, ...]
    index: tuple[int, int]
    """The number of the compilation on the first rank of `hit` and of `missed`."""
    waited: float


@dataclass(frozen=True)
class Colder:
    """Ranks whose caches did not have what those of other ranks had."""

    asked: tuple[Asked, ...]
    """The graphs, the one that cost most first."""

    @property
    def missed(self) -> tuple[int, ...]:
        return tuple(sorted({rank.number for one in self.asked for rank in one.missed}))

    @property
    def hit(self) -> tuple[int, ...]:
        return tuple(sorted({rank.number for one in self.asked for rank in one.hit} - set(self.missed)))

    @property
    def waited(self) -> float:
        return sum(one.waited for one in self.asked)


def colder(ranks: Ranks) -> Iterator[Colder]:
    """One for each stage of a pipeline in which it cost something. Ranks without an answer of a cache are not compared."""
    for members in stages(ranks):
        graphs: dict[tuple[Function, str, int], list[tuple[Rank, int]]] = defaultdict(list)
        for rank in members:
            times: dict[tuple[Function, str], int] = defaultdict(int)
            for index, step in enumerate(ranks.groups[rank.group].steps):
                function, label = function_of(step), step.label
                graphs[function, label, times[function, label]].append((rank, index))
                times[function, label] += 1
        found = [one for asked in graphs.values() if (one := _asked(ranks, asked))]
        if sum(one.waited for one in found) >= LEAST:
            yield Colder(tuple(sorted(found, key=lambda one: -one.waited)))


def _asked(ranks: Ranks, members: list[tuple[Rank, int]]) -> Asked | None:
    """None unless a rank that hit was done before one that missed. A rank that is late may hit what another one has just stored."""
    hit = [(rank, index) for rank, index in members if _answer(ranks, rank, index) == "hit"]
    missed = [(rank, index) for rank, index in members if _answer(ranks, rank, index) == "miss"]
    ends = [end for rank, index in hit if (end := _end(rank, index)) is not None]
    late = [(end, rank, index) for rank, index in missed if (end := _end(rank, index)) is not None]
    if not ends or not late:
        return None
    end, rank, index = max(late, key=lambda one: one[0])
    spent = (rank.seconds[index] or 0.0) - min(rank.seconds[index] or 0.0 for rank, index in hit)
    waited = min(spent, end - max(ends))
    if waited <= 0:
        return None
    first = (hit[0][1], index)
    step = ranks.groups[rank.group].steps[index]
    return Asked(step, tuple(one for one, _ in hit), (rank, *(one for one, _ in missed if one != rank)), first, waited)


def _answer(ranks: Ranks, rank: Rank, index: int) -> str:
    """`hit` if each cache that was asked had it, `miss` if one had not, which a bypass is too; else empty."""
    answers = ranks.groups[rank.group].steps[index].cache
    if any(one.endswith(("_miss", "_bypass")) for one in answers):
        return "miss"
    return "hit" if answers and all(one.endswith("_hit") for one in answers) else ""


def _end(rank: Rank, index: int) -> float | None:
    begun = rank.begun[index] if index < len(rank.begun) else None
    seconds = rank.seconds[index] if index < len(rank.seconds) else None
    return None if begun is None or seconds is None else begun / 1e6 + seconds


@dataclass(frozen=True)
class Reason:
    """Why a rank missed, as far as torch says it."""

    bypass: str = ""
    """torch's reason not to ask its cache."""
    changed: tuple[ChangedPart, ...] = ()
    """What is another one in the key than on a rank that hit."""
    same_key: bool = False


def reason(ranks: Ranks, one: Asked) -> Reason:
    theirs, mine = (
        _answers(ranks, rank, index) for rank, index in ((one.hit[0], one.index[0]), (one.missed[0], one.index[1]))
    )
    for answer in mine:
        if answer.answer == "bypass" and answer.reason:
            return Reason(bypass=answer.reason)
    by_cache = {answer.cache: answer for answer in theirs}
    pairs = [(by_cache[answer.cache], answer) for answer in mine if answer.cache in by_cache]
    changed = tuple(part for pair in pairs for part in changed_parts(*pair))
    keys = [(hit.key, missed.key) for hit, missed in pairs if hit.key and missed.key]
    return Reason(changed=changed, same_key=bool(keys) and all(hit == missed for hit, missed in keys))


def _answers(ranks: Ranks, rank: Rank, index: int) -> tuple[CacheAnswer, ...]:
    evidence = ranks.groups[rank.group].evidence
    known: tuple[Compilation, ...] = evidence.compilations if evidence else ()
    return known[index].answers if index < len(known) else ()
