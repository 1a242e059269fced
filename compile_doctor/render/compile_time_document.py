"""The sections `compile_time` and `guards` of the document `report`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from compile_doctor.model.timeline import PHASES
from compile_doctor.render.document import Count, Figure, Record, one_of
from compile_doctor.render.finding_document import Location

Phases = Annotated[
    Mapping[Annotated[str, one_of(*PHASES)], Figure],
    Meta(extra_json_schema={"additionalProperties": {"type": ["number", "null"]}}),
]
"""Seconds by phase; a phase without time is left out."""


class CacheAnswer(Record):
    """What one of torch's caches on disk answered for one graph."""

    cache: Annotated[str, one_of("fx_graph", "aotautograd")]
    """Inductor's cache of graphs, or AOTAutograd's, which is asked first."""
    answer: Annotated[str, one_of("hit", "miss", "bypass")]
    """`bypass`: torch neither looked the graph up nor stored it."""
    reason: str
    """torch's reason for a bypass; else empty."""
    key: str
    """torch's key; empty if it wrote none."""
    saved_seconds: Figure
    """What torch says that a hit saved; else null."""


class TimedCompilation(Record):
    """Where the time of one compilation went."""

    compile_id: str
    """torch's id, such as `0/1`: frame 0, compiled for the second time."""
    rank: Count | None
    """The rank; null for a run without ranks. Ranks that did the same are here once."""
    location: Location
    """The function that was compiled, or the line at which it resumes."""
    start_seconds: Figure
    """When it began, counted from the first moment that is known of the run."""
    seconds: Figure
    """How long it took, with the backward pass."""
    phases: Phases
    """Seconds by phase; each moment counts for the innermost phase."""
    recompilation: Count
    """How often the frame had been compiled before."""
    reason: str
    """The guard that failed, for a recompilation; else empty."""
    restarts: Count
    """How often Dynamo began again with tracing it."""
    finished: bool
    """Whether code came out of it."""
    caches: tuple[CacheAnswer, ...]
    """What the caches answered, in the order in which they were asked."""


class SlowGuard(Record):
    """One guard, timed by itself."""

    source: str
    """The value in Dynamo's words."""
    guard: str
    """As torch writes it."""
    microseconds: Figure
    """To evaluate them once."""


class Guards(Record):
    """What it costs to check that compiled code still fits, at each call of a function."""

    compile_id: str
    """torch's id of the compilation."""
    location: Location
    """The function that was compiled, or the line at which it resumes."""
    microseconds: Figure
    """To evaluate all guards once, just after they were evaluated: the least that they cost."""
    flushed_microseconds: Figure
    """torch's own figure, with the processor's caches flushed; null if torch did not write it."""
    guards: Count
    """How many there are."""
    python: Count
    """Those that call Python; the others are C++."""
    slowest: tuple[SlowGuard, ...]
    """The slowest ones."""


class CompileTime(Record):
    """Where the compile time went, from torch's timed events."""

    seconds: Figure
    """Of all compilations; of a run with ranks, of the rank that compiled longest."""
    phases: Phases
    """The same, by phase."""
    compilations: tuple[TimedCompilation, ...]
    """Each compilation, in the order of the run."""
