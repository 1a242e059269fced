"""A large difference between compiled and eager, without --numerics: whether eager itself would differ as much.

A discrete choice in the model (routing, top-k, argmax, rounding) turns the last bit of a number into another result. So
before the compiled run is reported as wrong, eager runs again: as it was, with everything moved by one step of its dtype,
and in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._pytree import tree_map

from compile_doctor.model.tolerances import TOLERATED
from compile_doctor.probe.calls import compare, unlike
from compile_doctor.probe.numerics.state import doubled, moved

Run = Callable[[Callable[[Any], Any]], list[Any]]
"""One eager run of the first call, with model and inputs changed."""

UNSTEADY = "eager mode gives another result each time that the model is built and called"
MOVES = (
    "moving parameters and inputs by one step of their dtype changes eager's result as much: a discrete choice in the model "
    "(routing, top-k, argmax, rounding) decides"
)
EXACT = "a float64 run agrees with the compiled result, and eager is the one that is far from it"


def second_look(eagerly: Run, outputs: list[Any], expected: list[Any]) -> str:
    """Why the difference does not show that the compiled result is wrong; empty if it does, or nothing can be tried."""
    for change, why in ((_same, UNSTEADY), (moved, MOVES)):
        again = _tried(eagerly, change)
        if again is not None and _far(again, expected):
            return why
    default = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        exact = _tried(eagerly, doubled)
    finally:
        torch.set_default_dtype(default)
    if exact is not None:
        mine, eager = (_near(one, exact) for one in (outputs, expected))
        if mine and not eager:
            return EXACT
    return ""


def _same(value: Any) -> Any:
    return value


def _tried(eagerly: Run, change: Callable[[Any], Any]) -> list[Any] | None:
    """None if the run fails: a dtype that is written into the model, an operator without float64, memory."""
    try:
        return eagerly(change)
    except Exception:
        return None


def _far(outputs: list[Any], expected: list[Any]) -> bool:
    """Whether two runs differ by more than rounding explains, in a number or in what no number shows."""
    if unlike(outputs, expected):
        return True
    difference, scale, _ = compare(outputs, expected)
    return difference is not None and bool(scale) and difference > TOLERATED * (scale or 0.0)


def _near(outputs: list[Any], exact: list[Any]) -> bool:
    """Whether a run agrees with the float64 run, of which the dtypes are another matter."""
    wide = tree_map(
        lambda leaf: leaf.to(torch.float64) if isinstance(leaf, torch.Tensor) and leaf.is_floating_point() else leaf,
        outputs,
    )
    return not _far(wide, exact)
