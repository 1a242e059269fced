"""What `bench` measured: one row per case, size and implementation, each with what kept it from being measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

STATUSES = ("measured", "wrong", "timed-out", "died", "failed", "unsupported", "not-run")
"""`wrong`: its output is not that of the others, so that its time would say nothing. `not-run`: it would not fit into
memory, or there was nothing to run it with. `unsupported`: torch, or the function, refuses the inputs."""


@dataclass(frozen=True)
class Row:
    """One implementation on one case at one size. Seconds are wall-clock seconds of one call, bytes are bytes."""

    case: str
    """`causal`, `sliding-window`, …; for a model `forward`, `forward+backward`, `prefill` or `decode`."""
    tokens: int | None
    """Keys of the attention, or what example_inputs(tokens=N) was given; None for a target of one size."""
    implementation: str
    """`eager`, `inductor`; `sdpa-flash`, `flex-compiled`, `target`, …"""
    status: str
    """One of STATUSES."""
    median: float | None = None
    """Of the calls after warm-up and compilation. None where nothing was measured; so are the other figures."""
    p25: float | None = None
    p75: float | None = None
    calls: int = 0
    """Calls that were timed."""
    noisy: bool = False
    """torch's own timer warns: the interquartile range is above a tenth of the median."""
    ratio: float | None = None
    """The median over the best median of the same case and size."""
    positions: int | None = None
    """Tokens that one call computes, for the time per token: all of a prefill, or of a decoding loop."""
    compile_seconds: float | None = None
    """The first call's seconds less the median; None where nothing was compiled."""
    compile_cached: bool = False
    """Inductor had the code in its cache: the seconds are not those of a first compilation."""
    recompiles: int = 0
    """Compilations that happened while it was timed: then the median holds some of them."""
    peak_bytes: int | None = None
    """The most that one call held at a time, output included, inputs and weights not."""
    difference: float | None = None
    """The largest absolute difference from the reference, and what was allowed."""
    tolerance: float | None = None
    reason: str | None = None
    """Why there is no figure, or what limits its meaning."""

    @property
    def per_token(self) -> float | None:
        """Seconds for each position that a call computes."""
        return self.median / self.positions if self.median is not None and self.positions else None

    @property
    def spread(self) -> float | None:
        """The interquartile range over the median."""
        if self.median is None or self.p25 is None or self.p75 is None:
            return None
        return (self.p75 - self.p25) / self.median


@dataclass(frozen=True)
class Bench:
    """The whole run."""

    subject: str
    """`suite`, or the target."""
    environment: Mapping[str, Any]
    """What it ran on: torch, device, CPU or GPU by name, threads, the load at the start."""
    inputs: Mapping[str, Any]
    """What was asked for: tokens, heads, dtype, …"""
    rows: tuple[Row, ...]
    patches: tuple[Mapping[str, Any], ...] = ()
    """Recipes that were applied, with their state."""
    notes: tuple[str, ...] = ()
    interrupted: bool = False
    """By Ctrl-C, so that cases are missing."""

    @property
    def exit_code(self) -> int:
        """0 where anything was measured, 130 where it was interrupted, else 3."""
        if self.interrupted:
            return 130
        return 0 if any(row.status == "measured" for row in self.rows) else 3


def ranked(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The rows of each case and size with their ratio to the best of them, best first, then those without a figure.

    Rows of one case and size have to stand together.
    """
    found: list[Row] = []
    for _, group in groupby(rows, key=lambda row: (row.case, row.tokens)):
        members = list(group)
        best = min((row.median for row in members if row.status == "measured" and row.median), default=None)
        scored = [
            replace(row, ratio=row.median / best) if row.status == "measured" and row.median and best else row
            for row in members
        ]
        found += sorted(scored, key=lambda row: (STATUSES.index(row.status), row.median or 0.0, row.implementation))
    return tuple(found)
