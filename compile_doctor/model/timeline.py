"""When torch compiled what: the phases of each compilation, what its caches answered, and the calls of the target.

Times are in microseconds. In the evidence they count from 1970, in a `Timeline` from the begin of the run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from compile_doctor.model.stacks import Frame

PHASES = {
    "dynamo": "Dynamo traces Python and builds guards",
    "aot_autograd": "AOTAutograd traces the backward pass and partitions the graph",
    "lowering": "Inductor's passes over the graph, and its lowering",
    "codegen": "Inductor schedules kernels and writes their code",
    "kernels": "the C++ compiler, Triton or ptxas compile kernels, and Python loads them",
    "autotuning": "candidates of a kernel are timed against each other",
    "cuda_graphs": "CUDA graphs are captured",
    "caches": "what is cached on disk is looked up, loaded and stored",
}
"""What the time of a compilation is spent on, in the order in which it comes, with its meaning."""

Cache = Literal["fx_graph", "aotautograd"]
Answer = Literal["hit", "miss", "bypass"]


@dataclass(frozen=True, slots=True)
class Span:
    """Something that torch timed, within the one before it that has a smaller `depth`."""

    name: str
    """torch's own name: `bytecode_tracing`, `Scheduler.codegen`, …"""
    phase: str
    """A key of PHASES."""
    start: int
    duration: int
    depth: int
    ended: bool = True
    """False if the process ended within it; `duration` is then up to the last that it wrote."""


@dataclass(frozen=True, slots=True)
class KeyPart:
    """One part of a cache's key: `inductor_config[max_autotune]`, its hash, and its value, shortened."""

    name: str
    hash: str
    value: str


@dataclass(frozen=True, slots=True)
class CacheAnswer:
    """What one of torch's caches on disk answered for one graph."""

    cache: Cache
    answer: Answer
    key: str = ""
    reason: str = ""
    """torch's reason, for a bypass."""
    saved: float | None = None
    """Seconds that torch says a hit saved."""
    parts: tuple[KeyPart, ...] = ()
    """What the key was made of; empty if torch did not write it."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Where the time of one compilation went."""

    start: int
    duration: int
    """Of what was timed, without the time between: the backward pass may be compiled much later."""
    phases: tuple[tuple[str, int], ...]
    """Microseconds by phase, in the order of PHASES; each moment counts once, for the innermost that was timed."""
    spans: tuple[Span, ...]
    """In the order of their start, without very short ones."""
    omitted: int = 0
    """Spans that were left out."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the target."""

    phase: str
    """`compiled` or `eager`."""
    index: int
    start: int
    duration: int


@dataclass(frozen=True, slots=True)
class TimedCompilation:
    """One compilation in a timeline."""

    process: str
    compile_id: str
    """torch's: frame/times that it was compiled before."""
    frame: Frame
    """The function that was compiled, or the line at which it resumes."""
    recompilation: int
    """How often the frame had been compiled before."""
    reason: str
    """The guard that failed, for a recompilation."""
    restarts: int
    """How often Dynamo began again with tracing."""
    finished: bool
    """Whether code came out of it."""
    timing: Timing
    caches: tuple[CacheAnswer, ...]


@dataclass(frozen=True, slots=True)
class OtherRank:
    """When a rank compiled that did the same as the one that a timeline shows; None for what is not known."""

    rank: int
    starts: tuple[int | None, ...]
    durations: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """The run of one process and its children, or of one rank."""

    start: int
    """Microseconds from 1970 to the first moment that is known."""
    compilations: tuple[TimedCompilation, ...]
    calls: tuple[Call, ...]
    aside: tuple[Span, ...]
    """What no compilation waited for by itself, such as the compiler in another thread."""
    rank: int | None = None
    others: tuple[OtherRank, ...] = ()

    @property
    def duration(self) -> int:
        """Up to the end of the last thing in it."""
        spans = [*self.aside, *(span for one in self.compilations for span in one.timing.spans)]
        ends = [one.start + one.duration for one in spans] + [one.start + one.duration for one in self.calls]
        return max(ends, default=0)

    @property
    def phases(self) -> dict[str, int]:
        """Microseconds by phase, of all compilations."""
        found = dict.fromkeys(PHASES, 0)
        for one in self.compilations:
            for phase, spent in one.timing.phases:
                found[phase] += spent
        return found
