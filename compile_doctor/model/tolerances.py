"""How far a compiled result may be from eager's, derived from the dtype and from eager's own distance to float64.

As in torch's own `same()` (torch/_dynamo/utils.py), a compiled result is wrong only if it is clearly further from a
float64 run of the same model than eager is. Without a float64 run, the dtype and the depth of the model decide.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from compile_doctor.model.comparisons import Compared, Comparison

STEPS = {
    "float64": 2.0**-52,
    "complex128": 2.0**-52,
    "float32": 2.0**-23,
    "complex64": 2.0**-23,
    "float16": 2.0**-10,
    "bfloat16": 2.0**-7,
    "float8_e4m3fn": 2.0**-3,
    "float8_e4m3fnuz": 2.0**-3,
    "float8_e5m2": 2.0**-2,
    "float8_e5m2fnuz": 2.0**-2,
}
"""Distance from 1 to the next number (torch.finfo(dtype).eps), for the dtypes whose numbers are rounded."""
WIDE, NARROW = 8, 2
"""Steps of the dtype, at the largest value, by which two ways to compute the same may differ. dtypes narrower than
float32 are accumulated in float32, so most of the error is the rounding of the result."""
OWN, CLEARLY = 3, 10
"""Multiples of eager's own distance from float64: up to the first it is a PASS, beyond the second clearly further."""
MOVED = 4
"""Multiple of the change of eager's result if parameters and inputs move by one step."""


def coarsest(dtypes: Iterable[str]) -> str:
    """The dtype that rounds most; float32 if none of them rounds."""
    return max((name for name in dtypes if name in STEPS), key=lambda name: STEPS[name], default="float32")


def tolerance(row: Compared, depth: int) -> float:
    """The largest absolute error that is a PASS. For integers: the number of elements that may differ."""
    if row.exact:
        return OWN * (row.eager_error or 0.0)
    step = STEPS[row.dtype]
    floor = (WIDE if step <= STEPS["float32"] else NARROW) * step * row.scale
    return OWN * row.eager_error + floor if row.eager_error is not None else floor * math.sqrt(depth)


def bound(row: Compared, depth: int) -> float:
    """The largest error that is DRIFT: beyond the tolerance, but not clearly further, or explained by one step."""
    own = (CLEARLY - OWN) * (row.eager_error or 0.0)
    return max(tolerance(row, depth) + own, MOVED * (row.noise or 0.0))


def status(row: Compared, depth: int) -> str:
    """PASS, DRIFT or FAIL."""
    if row.error is None:
        return "FAIL"
    if row.error <= tolerance(row, depth):
        return "PASS"
    return "DRIFT" if row.error <= bound(row, depth) else "FAIL"


def ratio(row: Compared, depth: int) -> float:
    """The error divided by the tolerance: the sort key of a comparison's rows."""
    if row.error is None:
        return math.inf
    return row.error / max(tolerance(row, depth), 1e-300)


def judge(comparison: Comparison) -> str:
    """The status of its worst row; N/A if nothing was compared, UNSUPPORTED if the target reports that."""
    if not comparison.rows:
        return comparison.state or "N/A"
    found = {status(row, comparison.depth) for row in comparison.rows}
    return next(name for name in ("FAIL", "DRIFT", "PASS") if name in found)


def worst(comparison: Comparison) -> Compared | None:
    """The row that is furthest beyond (or closest to) its tolerance; for a FAIL, one that fails."""
    order = ("PASS", "DRIFT", "FAIL")
    return max(
        comparison.rows,
        key=lambda row: (order.index(status(row, comparison.depth)), ratio(row, comparison.depth)),
        default=None,
    )
