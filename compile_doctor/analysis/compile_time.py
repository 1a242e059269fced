"""Where the compile time went: by the line of the function that was compiled, with what the caches answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from compile_doctor.model.stacks import Frame
from compile_doctor.model.timeline import Answer, CacheAnswer, TimedCompilation, Timeline

WORDS = {
    "dynamo": "Dynamo",
    "aot_autograd": "AOTAutograd",
    "lowering": "lowering",
    "codegen": "codegen",
    "kernels": "kernels",
    "autotuning": "autotuning",
    "cuda_graphs": "CUDA graphs",
    "caches": "caches",
}
"""The phases as people call them."""


@dataclass(frozen=True)
class TimedLine:
    """All compilations of one function, or of the part of one after a break."""

    frame: Frame
    compilations: tuple[TimedCompilation, ...]
    phases: Counter[str]
    """Microseconds."""

    @property
    def total(self) -> int:
        return sum(self.phases.values())


def longest(timelines: Iterable[Timeline]) -> Timeline | None:
    """The timeline of the rank that compiled longest; None if nothing was timed."""
    return max((one for one in timelines if one.compilations), key=lambda one: sum(one.phases.values()), default=None)


def by_line(timeline: Timeline) -> list[TimedLine]:
    """The functions, the one that took longest first."""
    found: dict[tuple[str, int, str], list[TimedCompilation]] = {}
    for one in timeline.compilations:
        found.setdefault((one.frame.file, one.frame.line, one.frame.function), []).append(one)
    lines = [
        TimedLine(ones[0].frame, tuple(ones), sum((Counter(dict(one.timing.phases)) for one in ones), Counter()))
        for ones in found.values()
    ]
    return sorted(lines, key=lambda one: (-one.total, one.frame))


def answers(found: Iterable[CacheAnswer]) -> str:
    """`2 hits`, `1 miss, 1 bypass`: of the cache that has what Inductor compiled, or of AOTAutograd's if only that answered."""
    listed = list(found)
    own = [one for one in listed if one.cache == "fx_graph"] or listed
    counts = Counter(
        one.answer for one in (*own, *(one for one in listed if one.answer == "bypass" and one not in own))
    )
    words: dict[Answer, tuple[str, str]] = {
        "hit": ("hit", "hits"),
        "miss": ("miss", "misses"),
        "bypass": ("bypass", "bypasses"),
    }
    return ", ".join(f"{counts[word]} {names[counts[word] > 1]}" for word, names in words.items() if counts[word])
