"""The result of `coldstart`: one entry for each start, one for each graph, and what would help, with its gain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from compile_doctor.model.findings import SEVERITIES, Finding
from compile_doctor.model.stacks import Frame

NAMES = {
    "cold": "an empty cache",
    "warm": "the cache that the cold start left",
    "own": "your own cache, as it is",
    "dynamic": "an empty cache, with dynamic=True",
    "regional": "an empty cache, each repeated block compiled by itself",
}
"""The starts, in their order, with what each begins with."""


@dataclass(frozen=True)
class Spread:
    """The least and the most of what was measured several times, in seconds."""

    least: float
    most: float


@dataclass(frozen=True)
class Started:
    """One start: a new process that imports torch, builds the target, and calls it. None: not known.

    Of several that were made alike it is the one whose compile time is the median, and `made` is their number.
    """

    name: str
    """A key of NAMES."""
    first_call: float | None
    """Seconds of the first call."""
    later_call: float | None
    """Seconds of the quickest call after it."""
    compiling: float | None
    """Seconds that were timed as compiling, in all calls."""
    phases: Mapping[str, float]
    """The same by phase."""
    graphs: int
    recompiles: int
    hits: int
    misses: int
    bypasses: int
    """Answers of Inductor's cache of graphs; without one, of AOTAutograd's."""
    problem: str = ""
    """Why it has no figures."""
    made: int = 1
    first_calls: Spread | None = None
    compilings: Spread | None = None
    """Of all that were made; None for one, which has no spread."""


@dataclass(frozen=True)
class StartedGraph:
    """One compilation of the cold start, beside that of the warm one."""

    compile_id: str
    frame: Frame
    cold: float
    warm: float | None
    """Seconds; None if the warm start did not compile it."""
    answer: str
    """What the caches answered in the warm start, in words."""
    reason: str = ""
    """torch's, for a bypass."""


@dataclass(frozen=True)
class Advice:
    """Something that would help."""

    name: str
    """`shared-cache`, `regional` or `dynamic`."""
    text: str
    gain: float | None
    """Seconds that a start becomes shorter, the difference of the medians; None if that cannot be said."""
    measured: bool
    """Whether the gain was measured; else it is an estimate."""
    basis: str
    """What the gain is computed from."""
    spread: Spread | None = None
    """The least and the most that it may be, by what was measured or by the estimate; None if a start was made only once."""
    made: int = 1
    """How often each of the two starts was made that are compared."""

    @property
    def measurable(self) -> bool:
        """Whether the starts differ by more than starts that were made alike. One of each has no spread to compare with."""
        return self.spread is None or not self.measured or self.spread.least > 0 or self.spread.most < 0


@dataclass(frozen=True)
class ColdStart:
    """Everything that `coldstart` shows."""

    target: str
    environment: Mapping[str, Any]
    starts: tuple[Started, ...]
    graphs: tuple[StartedGraph, ...]
    findings: tuple[Finding, ...]
    advice: tuple[Advice, ...]
    problem: str = ""
    """Why the starts could not be compared, as a sentence; empty if they could."""
    busy: str = ""
    """A sentence, if other work on the machine makes the times of single starts hard to compare."""
    notes: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    cwd: str = ""

    def start(self, name: str) -> Started | None:
        return next((one for one in self.starts if one.name == name), None)

    def exit_code(self, fail_on: str) -> int:
        """0, 1 or 3 of the contract."""
        if self.problem:
            return 3
        worst = SEVERITIES.index(fail_on) if fail_on != "never" else -1
        return 1 if any(SEVERITIES.index(one.severity) <= worst for one in self.findings) else 0
