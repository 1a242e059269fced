"""The result of `bench`: one row per case, size and implementation. A row without figures has the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

STATUSES = ("measured", "wrong", "timed-out", "died", "failed", "unsupported", "not-run")
"""`wrong`: its output differs from that of the others, so its time means nothing. `not-run`: it would not fit into
memory, or something that it needs is missing. `unsupported`: torch, or the function, refuses the inputs."""

NOISE = 0.1
"""How far the ratio of two rows may be open, if their order is."""


@dataclass(frozen=True)
class Row:
    """One implementation on one case at one size. Times are wall-clock seconds of one call."""

    case: str
    """`causal`, `sliding-window`, …; for a model `forward`, `forward+backward`, `prefill` or `decode`."""
    tokens: int | None
    """The number of keys of the attention, or N of example_inputs(tokens=N); None for a target with one size."""
    implementation: str
    """`eager`, `inductor`; `sdpa-flash`, `flex-compiled`, `target`, …"""
    status: str
    """One of STATUSES."""
    median: float | None = None
    """Median seconds of calls after warm-up and compilation. Like the other figures, None if nothing was measured."""
    p25: float | None = None
    p75: float | None = None
    calls: int = 0
    """The number of timed calls."""
    noisy: bool = False
    """Whether torch's timer warns: the interquartile range is above 10% of the median."""
    ratio: float | None = None
    """The median divided by the best median of the same case and size; None if the spread denies that order."""
    positions: int | None = None
    """The number of tokens that one call computes, for the time per token: all of a prefill, or of a decoding loop."""
    compile_seconds: float | None = None
    """Seconds of the first call minus the median; None if nothing was compiled."""
    compile_cached: bool = False
    """Whether Inductor had the code in its cache: then `compile_seconds` is not the time of a first compilation."""
    recompiles: int = 0
    """The number of compilations while it was timed. If it is not 0, the median includes some of their time."""
    peak_bytes: int | None = None
    """Peak bytes of one call: the output is included, inputs and weights are not."""
    difference: float | None = None
    """The largest absolute difference from the reference."""
    tolerance: float | None = None
    """The largest difference that is allowed."""
    reason: str | None = None
    """Why there are no figures, or what limits their meaning."""

    @property
    def per_token(self) -> float | None:
        """Seconds per token that a call computes."""
        return self.median / self.positions if self.median is not None and self.positions else None

    @property
    def spread(self) -> float | None:
        """The interquartile range divided by the median."""
        if self.median is None or self.p25 is None or self.p75 is None:
            return None
        return (self.p75 - self.p25) / self.median


@dataclass(frozen=True)
class Bench:
    """The result of a whole run."""

    subject: str
    """`suite`, or the target as the user wrote it."""
    environment: Mapping[str, Any]
    """What it ran on: torch, device, name of the CPU or GPU, threads, and the load at the start."""
    inputs: Mapping[str, Any]
    """The options: tokens, heads, dtype, …"""
    rows: tuple[Row, ...]
    patches: tuple[Mapping[str, Any], ...] = ()
    """Recipes that were applied, with their state."""
    notes: tuple[str, ...] = ()
    interrupted: bool = False
    """Whether Ctrl-C ended it: then cases are missing."""

    @property
    def exit_code(self) -> int:
        """130 if it was interrupted, else 0 if anything was measured, else 3."""
        if self.interrupted:
            return 130
        return 0 if any(row.status == "measured" for row in self.rows) else 3


def _too_noisy(best: Row, row: Row) -> bool:
    """Whether the middle halves of the two meet, and leave more than a tenth open about which is faster, and by how much.

    Two that differ by less than their spread, which is small, are equally fast: their ratio says so.
    """
    if not (best.p25 and best.p75 and row.p25 and row.p75):
        return False
    return row.p25 < best.p75 and row.p75 / best.p25 - row.p25 / best.p75 > NOISE


def ranked(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The rows of each case and size with their ratio to the best one: best first, rows without figures last.

    Rows of one case and size have to be adjacent.
    """
    found: list[Row] = []
    for _, group in groupby(rows, key=lambda row: (row.case, row.tokens)):
        members = list(group)
        measured = [row for row in members if row.status == "measured" and row.median]
        best = min(measured, key=lambda row: row.median or 0.0, default=None)
        rivals = [row for row in measured if best and row is not best and _too_noisy(best, row)]
        unranked = [best, *rivals] if rivals else []
        scored = [
            replace(row, ratio=row.median / best.median)
            if best and best.median and row.median and row in measured and not any(row is one for one in unranked)
            else row
            for row in members
        ]
        found += sorted(scored, key=lambda row: (STATUSES.index(row.status), row.median or 0.0, row.implementation))
    return tuple(found)
