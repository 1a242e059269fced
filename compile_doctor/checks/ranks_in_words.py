"""Words that the checks about ranks share."""

from __future__ import annotations

from collections.abc import Sequence

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.ranks.comparable import Pair
from compile_doctor.model.ranks import named


def who(seen: AnalysisContext, numbers: Sequence[int]) -> str:
    """`rank 1`, `ranks 4-7`, `all 8 ranks`."""
    return named(numbers, seen.evidence.ranks.world_size)


def sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def s(numbers: Sequence[int]) -> str:
    """The ending of a verb after `who`: `rank 1 breaks`, `ranks 0-3 break`."""
    return "s" if len(numbers) == 1 else ""


def do(numbers: Sequence[int], words: str) -> str:
    """A verb with a `{}` where its ending goes: `break{} the graph here`, `do{} not`."""
    ending = s(numbers)
    return (
        words.replace("do{}", "does" if ending else "do")
        .replace("finish{}", "finishes" if ending else "finish")
        .replace("{}", ending)
    )


def odd_ones(pairs: Sequence[tuple[Pair, str]]) -> tuple[int, ...]:
    """The ranks that a finding is about: those that differ from the usual; if there are as many, those that do more."""
    found: set[int] = set()
    for pair, extra in pairs:
        even = len(pair.usual.ranks) == len(pair.other.ranks)
        found.update((pair.usual if even and extra == "usual" else pair.other).numbers)
    return tuple(sorted(found))
