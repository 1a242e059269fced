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
from compile_doctor.probe.calls import compare, opened, unlike
from compile_doctor.probe.numerics.state import doubled, moved

Run = Callable[[Callable[[Any], Any]], list[Any]]
"""One eager run of the first call, with model and inputs changed."""

UNSTEADY = "eager mode gives another result each time that the model is built and called"
MOVES = (
    "moving parameters and inputs by one step of their dtype changes eager's result as much: a discrete choice in the model "
    "(routing, top-k, argmax, rounding) decides"
)
STEADY = 1e-5
"""Relative difference of two equal eager runs that is no rounding: a counter of the module, say, has moved on."""
MORE = 10
"""Compiled may differ in so many times the places in which eager changes: which of the near ties flip is chance."""
EXACT = "a float64 run agrees with the compiled result, and eager is the one that is far from it"


def second_look(eagerly: Run, outputs: list[Any], expected: list[Any]) -> str:
    """Why the difference does not show that the compiled result is wrong; empty if it does, or nothing can be tried."""
    places = _places(outputs, expected)
    again = _tried(eagerly, _same)
    if again is not None and (_places(again, expected, STEADY) or _explains(_places(again, expected), places)):
        return UNSTEADY
    again = _tried(eagerly, _nudged)
    if again is not None and _explains(_places(again, expected), places):
        return MOVES
    default = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        exact = _tried(eagerly, doubled)
    finally:
        torch.set_default_dtype(default)
    if exact is not None and not _places(_wide(outputs), exact) and _places(_wide(expected), exact):
        return EXACT
    return ""


def _explains(eagers: int | None, places: int | None) -> bool:
    """Whether eager changes in so many places that a discrete choice may be behind those in which compiled differs."""
    if eagers is None or places is None:
        return eagers is None and places is None
    return 0 < places <= MORE * eagers


def _same(value: Any) -> Any:
    return value


def _nudged(value: Any) -> Any:
    return moved(value, whole=False)


def _tried(eagerly: Run, change: Callable[[Any], Any]) -> list[Any] | None:
    """None if the run fails: a dtype that is written into the model, an operator without float64, memory."""
    try:
        return eagerly(change)
    except Exception:
        return None


def _places(outputs: list[Any], expected: list[Any], tolerated: float = TOLERATED) -> int | None:
    """In how many places two runs differ by more than rounding explains; None if they differ in what no number shows."""
    if unlike(outputs, expected):
        return None
    return sum(_apart(a, b, tolerated) for a, b in zip(opened(outputs), opened(expected)))


def _apart(one: Any, other: Any, tolerated: float) -> int:
    difference, scale, _ = compare([one], [other])
    if difference is None or not scale or difference <= tolerated * scale:
        return 0
    wide = torch.complex128 if other.is_complex() else torch.float64
    gap = (one.detach().to(wide) - other.detach().to(wide)).abs()
    return int((gap > tolerated * scale).sum())


def _wide(outputs: list[Any]) -> list[Any]:
    """As a float64 run gives them: the dtype is not what is compared."""
    found: list[Any] = tree_map(
        lambda leaf: leaf.to(torch.float64) if isinstance(leaf, torch.Tensor) and leaf.is_floating_point() else leaf,
        outputs,
    )
    return found
