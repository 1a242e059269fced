"""The ranks of a distributed run: who compiled, as which rank, in which group of ranks that did the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from compile_doctor.model.compilations import Operator
from compile_doctor.model.stacks import Frame
from compile_doctor.model.units import Count, Positive

if TYPE_CHECKING:
    from compile_doctor.model.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Identity:
    """Which rank a process is, as it knows it itself; None and empty texts are unknown."""

    rank: Count
    world_size: Positive | None = None
    local_rank: Count | None = None
    local_size: Positive | None = None
    """The number of ranks on its machine."""
    host: str = ""
    launch: str = ""
    """Run id, address and port of the rendezvous: the same for all ranks of one launch."""
    restart: Count = 0
    """How often the launcher had started this rank before (torchrun's --max-restarts)."""
    mesh: str = ""
    """Coordinates in its device mesh: `dp=0, tp=1`."""


@dataclass(frozen=True, slots=True)
class Step:
    """One compilation, reduced to what the ranks are compared by. Equal steps of several ranks are one object."""

    file: str
    line: int
    function: str
    label: str
    """torch's compile id: frame/times that it was compiled before."""
    stack: tuple[Frame, ...]
    reasons: tuple[str, ...]
    """The guards that failed, without addresses."""
    breaks: tuple[tuple[str, int, str], ...]
    """File, line and reason of its graph breaks."""
    finished: bool
    """Whether torch wrote how it ended."""
    graph: str
    """A digest of the graph's operators; empty without a graph."""
    operators: tuple[Operator, ...]
    """The first of the graph's operators."""
    sizes: tuple[str, ...]
    """The graph's inputs: name, dtype, sizes and strides."""
    collectives: tuple[str, ...]
    """The collectives in the graph, in their order: `all_reduce('sum', '0')`."""
    lines: tuple[Frame, ...]
    """The user's lines that call them; empty if only torch knows."""
    cache: tuple[str, ...]
    """What torch's caches of compiled code answered: `fx_graph_cache_hit`, …"""
    settings: tuple[str, str]
    """Dynamo's and Inductor's settings, as torch wrote them."""


@dataclass(frozen=True, slots=True)
class CompileCall:
    """A call of torch.compile."""

    function: str
    """What was compiled: the name of a function, or the class of a module."""
    stack: tuple[Frame, ...]
    """Outermost first; the last frame called torch.compile."""
    settings: tuple[tuple[str, str], ...]
    """What was passed to it: `backend`, `mode`, `dynamic`, `fullgraph`, `options`."""


@dataclass(frozen=True, slots=True)
class Rank:
    """One rank. Ranks of the same `group` left the same evidence, apart from times, addresses and process ids."""

    who: Identity
    group: int
    """Index into `Ranks.groups`."""
    source: str = ""
    """The capture that it is from, if several were read together."""
    processes: tuple[str, ...] = ()
    seconds: tuple[float | None, ...] = ()
    """Of each compilation."""
    begun: tuple[int | None, ...] = ()
    """When each began, in microseconds since 1970; None if torch did not get to its end."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Versions and variables that should be the same on all ranks."""

    @property
    def number(self) -> int:
        return self.who.rank


@dataclass(frozen=True, slots=True)
class RankGroup:
    """Ranks that did the same."""

    key: str
    """A digest that is equal for ranks that did the same."""
    outline: str
    """A digest that is equal for groups that differ in nothing but sizes, values and what caches answered."""
    steps: tuple[Step, ...]
    evidence: Evidence | None
    """Of one of them; None if there are too many groups to keep them all: see `Ranks.stand_ins`."""
    compile_calls: tuple[CompileCall, ...] = ()
    """Their calls of torch.compile; empty also if nothing recorded them."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """All ranks of a run, by number; empty for a run without ranks, or with one."""

    all: tuple[Rank, ...] = ()
    groups: tuple[RankGroup, ...] = ()
    outside: Evidence | None = None
    """The processes that are no rank: the launcher, and what else the command started."""
    earlier: tuple[Rank, ...] = ()
    """Ranks of attempts that the launcher has started again since, and of launches before the last one."""

    def __bool__(self) -> bool:
        return bool(self.all)

    def of_group(self, index: int) -> tuple[Rank, ...]:
        return tuple(one for one in self.all if one.group == index)

    def stand_ins(self) -> tuple[int, ...]:
        """For each group one with an evidence and the same outline; the group itself if there is none."""
        kept: dict[str, int] = {}
        for index, group in enumerate(self.groups):
            if group.evidence is not None:
                kept.setdefault(group.outline, index)
        return tuple(
            index if group.evidence is not None else kept.get(group.outline, index)
            for index, group in enumerate(self.groups)
        )

    def earlier_of_group(self, index: int) -> tuple[Rank, ...]:
        return tuple(one for one in self.earlier if one.group == index)

    @property
    def world_size(self) -> int:
        """The number of ranks that there should be."""
        stated = [one.who.world_size for one in self.all if one.who.world_size]
        return max([*stated, *(one.number + 1 for one in self.all)], default=0)


def ranges(numbers: Iterable[int]) -> str:
    """`0-3, 7`."""
    found: list[list[int]] = []
    for number in sorted(set(numbers)):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(
        str(low) if low == high else f"{low}, {high}" if high == low + 1 else f"{low}-{high}" for low, high in found
    )


def named(numbers: Sequence[int], all_of: int) -> str:
    """`rank 1`, `ranks 0-3, 7`, `all 8 ranks`, or with many gaps `40 of 1,024 ranks (0, 3, 9, …)`."""
    count = len(set(numbers))
    if count == all_of and all_of > 1:
        return f"all {all_of:,} ranks"
    text = ranges(numbers)
    if len(text) > 40:
        text = f"{', '.join(text.split(', ')[:3])}, …"
        return f"{count:,} of {all_of:,} ranks ({text})"
    return f"rank{'s' * (count != 1)} {text}"
