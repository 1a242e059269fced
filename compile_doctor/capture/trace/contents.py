"""What trace files contain."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from compile_doctor.model.compilations import Break, Compilation
from compile_doctor.model.timeline import Span


@dataclass
class Trace:
    """The contents of one or more trace files; `Break.compilation` is an index into `compilations`."""

    detailed: bool = True
    """Whether times and the keys of caches are read as well; ranks are not compared by them."""
    compilations: list[Compilation] = field(default_factory=list)
    aside: list[Span] = field(default_factory=list)
    """What was timed outside of any compilation."""
    room: int = 4_000_000
    """Bytes of graphs and code that may still be kept."""
    untimed: int = 0
    """Timed events that could not be read."""
    breaks: list[Break] = field(default_factory=list)
    beyond_limit: dict[str, int] = field(default_factory=dict)
    """Number of recompilations that torch refused, by frame: it logged the guard and then did not compile."""
    unknown: Counter[str] = field(default_factory=Counter)
    """Number of records by kind, for kinds that this version does not know."""
    lost: list[str] = field(default_factory=list)
    """Records that could not be read: the file, the number of the record, and the error."""
    torch_version: str | None = None
    names: dict[int, set[str]] = field(default_factory=dict)
    """File names by torch's number, of all processes: a forked child continues with its parent's table."""
