"""A comparison in words and one status: for the report, for parity's table, and for the findings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from compile_doctor.model.comparisons import Compared, Comparison
from compile_doctor.model.tolerances import judge, status, tolerance, worst

EAGER = "eager"
"""The implementation without torch.compile; the backend named `eager` is the implementation `eager-backend`."""


@dataclass(frozen=True)
class Judged:
    """One comparison; the fields are those of a cell of parity."""

    case: str
    direction: str
    implementation: str
    dtype: str
    status: str
    """`PASS`, `DRIFT`, `FAIL`, `UNSUPPORTED` or `N/A`."""
    max_error: float | None
    """Of the tensor that is furthest from its tolerance."""
    tolerance: float | None
    reason: str | None
    notes: tuple[str, ...] = ()
    """How it was compared, if that differs from the usual way."""


def judged(comparisons: Iterable[Comparison]) -> Iterator[Judged]:
    """The comparisons with their status, in the order of the runs, decoding by the size of its chunks."""
    for one in sorted(comparisons, key=lambda one: (_order(one), _chunk(one.case))):
        row = worst(one)
        found = judge(one)
        error, allowed = (row.error, tolerance(row, one.depth)) if row else (None, None)
        reason = one.reason or None
        if row and found != "PASS":
            reason = f"{row.name}: {described(row, one.depth)}"
            if one.positions and one.positions.first is not None:
                reason = f"first differs at position {one.positions.first}"
        yield Judged(one.case, one.direction, one.implementation, one.dtype, found, error, allowed, reason, one.notes)


def decoded_eagerly(comparison: Comparison) -> bool:
    """Whether torch.compile had no part in it."""
    return comparison.implementation == EAGER


def described(row: Compared, depth: int) -> str:
    """The difference, and the tolerance."""
    if row.error is None:
        return row.note
    allowed = tolerance(row, depth)
    if row.exact:
        beside = "" if row.eager_error is None else f" from float64, {row.eager_error:.0f} of eager's do"
        return f"{row.error:.0f} of {row.scale:.0f} values differ{beside}"
    if row.eager_error is None:
        text = f"differs from eager by up to {row.error:.2g}, tolerance {allowed:.2g}"
    else:
        text = f"up to {row.error:.2g} from float64, eager up to {row.eager_error:.2g}, tolerance {allowed:.2g}"
    if status(row, depth) == "DRIFT":
        moves = row.noise is not None and row.error > tolerance(row, depth)
        text += ", explained by one step of the dtype" if moves else ", not clearly further than eager"
    return f"{text}, largest value {row.scale:.2g}"


def _order(one: Comparison) -> int:
    return 0 if one.case in ("compiled-vs-eager", "state-after") else 1 if decoded_eagerly(one) else 2


def _chunk(case: str) -> int:
    """The size of the chunks; 0 for a case that does not decode in chunks."""
    size = case.removeprefix("chunk-")
    return int(size) if size.isdigit() else 0
