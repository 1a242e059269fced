"""How one run differs from another, in words: the first few differences of each kind."""

from __future__ import annotations

from typing import Any

import torch

from compile_doctor.model.tolerances import STEPS, coarsest
from compile_doctor.probe.equality.seen import UNCHANGED, Seen, Values
from compile_doctor.probe.numerics.trees import dtype_name

STEPS_APART = 256
"""Steps of the dtype, at the largest value, that two ways to compute the same may differ by: a sum in another order."""
SHOWN = 3


OWN = 4
"""Multiple of the unchanged target's own distance between compiled and eager that a change may have."""


def differences(expected: Seen, found: Seen, gradients: bool, own: Seen | None = None) -> list[str]:
    """What differs beyond rounding; empty if nothing does. Messages and random numbers are not compared here.

    `own`: a run of the unchanged target that differs from `expected` by rounding only, if there is one.
    """
    if expected.error or found.error:
        if bool(expected.error) == bool(found.error):
            return []
        said = f": {found.said:.200}" if found.said else ""
        return [f"raises {found.error}{said}" if found.error else f"does not raise {expected.error}"]
    parts = [_of(expected.results, found.results, "output", own.results if own else {})]
    if gradients and _finite(expected.gradients):
        new = {name: one for name, one in found.gradients.items() if name in expected.gradients or one.any()}
        parts.append(_of(expected.gradients, new, "gradient", own.gradients if own else {}))
    parts.append(_of(expected.state, found.state, "state", own.state if own else {}))
    return [text for part in parts for text in part[:SHOWN]]


def excused(expected: Seen, found: Seen) -> str:
    """A difference of gradients that is named and does not count; empty if there is none.

    Zeros where there was no gradient: both sides of a branch are computed now. NaN in other places, if NaN was there
    before: `torch.where` passes NaN on from the side that it did not choose.
    """
    new = [name for name, one in found.gradients.items() if name not in expected.gradients and not one.any()]
    if new:
        return f"{new[0]} gets a gradient of zeros, where it had none"
    if not _finite(expected.gradients) and _of(expected.gradients, found.gradients, "gradient", {}):
        return "gradients that had NaN or infinity have it in other places"
    return ""


def _finite(values: Values) -> bool:
    return all(bool(one.isfinite().all()) for one in values.values() if isinstance(one, torch.Tensor))


def _of(expected: Values, found: Values, kind: str, own: Values) -> list[str]:
    """The differences of one kind of values, except those that the unchanged target (`own`) has as well."""
    texts = []
    for name in (*expected, *(one for one in found if one not in expected)):
        label = name if name.startswith("output") else f"{kind} {name}"
        if name not in found:
            text = "is missing"
        elif name not in expected:
            text = "is new"
        else:
            text = differs(expected[name], found[name], own.get(name))
        # A counter has moved on, a discrete choice (argmax, rounding) comes out otherwise when compiled: changed or not.
        same = own and (name in own) == (name in found) and not differs(own.get(name), found.get(name))
        if text and not same:
            texts.append(f"{label} {text}")
    return texts


def differing_names(one: Values, other: Values) -> set[str]:
    """The names of values that are not the same in both."""
    return {name for name in one | other if name not in one or name not in other or differs(one[name], other[name])}


def differs(one: Any, other: Any, own: Any = None) -> str:
    """How the second value differs; empty if it does not."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return _tensors(one, other, own if isinstance(own, torch.Tensor) else None)
    if isinstance(one, torch.Tensor) and other == UNCHANGED:
        return "is not changed by the calls, and was"
    if isinstance(other, torch.Tensor) and one == UNCHANGED:
        return "is changed by the calls, and was not"
    if isinstance(one, torch.Tensor) or isinstance(other, torch.Tensor):
        return f"is a {_kind(other)} and was a {_kind(one)}"
    if isinstance(one, float) and isinstance(other, float):
        return _tensors(torch.tensor(one, dtype=torch.float32), torch.tensor(other, dtype=torch.float32))
    return "" if type(one) is type(other) and one == other else f"is {other!r:.40} and was {one!r:.40}"


def _kind(value: Any) -> str:
    return "tensor" if isinstance(value, torch.Tensor) else type(value).__name__


def _tensors(one: torch.Tensor, other: torch.Tensor, own: torch.Tensor | None = None) -> str:
    if one.shape != other.shape:
        return f"has the shape {list(other.shape)} and had {list(one.shape)}"
    if one.dtype != other.dtype:
        return f"is {dtype_name(other)} and was {dtype_name(one)}"
    if not (one.is_floating_point() or one.is_complex()):
        count = int((one != other).sum())
        return f"differs in {count:,} of {one.numel():,} elements" if count else ""
    wide = torch.complex128 if one.is_complex() else torch.float64
    left, right = one.to(wide), other.to(wide)
    if not torch.equal(left.isnan(), right.isnan()):
        return "has NaN in other places"
    worst = _gap(left, right)
    scale = float(left.abs().nan_to_num(0.0, posinf=0.0).max()) if left.numel() else 0.0
    step = STEPS.get(coarsest([dtype_name(one)]), STEPS["float32"])
    own_gap = _gap(left, own.to(wide)) if own is not None and own.shape == one.shape else 0.0
    return f"differs by up to {worst:.2g}" if worst > max(STEPS_APART * step * scale, OWN * own_gap) else ""


def _gap(left: torch.Tensor, right: torch.Tensor) -> float:
    gap = torch.where(left == right, 0.0, (left - right).abs()).nan_to_num(0.0, posinf=float("inf"))
    return float(gap.max()) if gap.numel() else 0.0
