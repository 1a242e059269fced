"""The sections `summary` and `ranks` of the document `report`."""

from __future__ import annotations

from typing import Annotated

from compile_doctor.render.document import Count, Figure, Record, Size, Texts, one_of


class Summary(Record):
    """Counts, without torch's own frames. For a run with ranks, each is that of the rank with the most."""

    graphs: Count
    """FX graphs that were compiled."""
    graph_breaks: Count
    """Distinct locations and causes of graph breaks."""
    deliberate_breaks: Count
    """Graph breaks that the code requests."""
    recompiles: Count
    """Compilations of a frame that had been compiled before."""
    frames_compiled: Count
    """Frames that were compiled to code with guards."""
    frames_skipped: Count
    """Frames that Dynamo gave up, and that ran as Python."""
    ops_captured: Count
    """Operators in all graphs."""
    compile_seconds: Figure
    """Seconds of all compilations, wall clock."""


class Spread(Record):
    """A figure over several ranks."""

    least: Figure
    """The smallest."""
    median: Figure
    """The median."""
    most: Figure
    """The largest."""


class RankFigures(Record):
    """Ranks with the same figures."""

    ranks: str
    """Their numbers, such as `0-3, 7`."""
    count: Size
    """How many they are."""
    summary: Summary | None
    """The figures of each of them; null if too many ranks differ to keep the evidence of all."""
    compile_seconds: Spread
    """Seconds of compiling among them, wall clock."""
    slowest: Count
    """The rank that compiled longest."""
    cache_hits: Count
    """What torch's caches of compiled code had."""
    cache_misses: Count
    """What they did not have."""
    end: Annotated[str, one_of("ended", "failed", "stopped", "open", "unknown")]
    """How they ended; `open`: their last record is missing; `unknown`: there is only a trace."""


class Ranks(Record):
    """The ranks of a distributed run."""

    world_size: Size
    """How many there should be."""
    seen: str
    """Those in the capture, such as `0-7`."""
    hosts: Texts
    """The machines."""
    diverge: bool
    """Whether ranks that should do the same did not."""
    rows: tuple[RankFigures, ...]
    """The ranks with their figures."""
