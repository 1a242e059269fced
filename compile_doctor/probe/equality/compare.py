"""How one run differs from another, in words: the first few differences of each kind."""

from __future__ import annotations

from typing import Any

import torch

from compile_doctor.model.tolerances import STEPS, coarsest
from compile_doctor.probe.equality.seen import Seen, Values
from compile_doctor.probe.numerics.trees import dtype_name

STEPS_APART = 256
"""Steps of the dtype, at the largest value, that two ways to compute the same may differ by: a sum in another order."""
SHOWN = 3


def differences(expected: Seen, found: Seen, gradients: bool) -> list[str]:
    """What differs beyond rounding; empty if nothing does. Messages and random numbers are not compared here."""
    if expected.error or found.error:
        if bool(expected.error) == bool(found.error):
            return []
        return [f"raises {found.error}" if found.error else f"does not raise {expected.error}"]
    parts = [_of(expected.results, found.results, "output")]
    if gradients:
        parts.append(_of(expected.gradients, found.gradients, "gradient"))
    parts.append(_of(expected.state, found.state, "state"))
    return [text for part in parts for text in part[:SHOWN]]


def _of(expected: Values, found: Values, kind: str) -> list[str]:
    texts = []
    for name, one in expected.items():
        label = name if name.startswith("output") else f"{kind} {name}"
        if name not in found:
            texts.append(f"{label} is missing")
        else:
            text = differs(one, found[name])
            if text:
                texts.append(f"{label} {text}")
    extra = [name for name in found if name not in expected]
    return texts + [f"{name if kind == 'output' else f'{kind} {name}'} is new" for name in extra]


def differs(one: Any, other: Any) -> str:
    """How the second value differs; empty if it does not."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return _tensors(one, other)
    if isinstance(one, torch.Tensor) or isinstance(other, torch.Tensor):
        return f"is a {_kind(other)} and was a {_kind(one)}"
    if isinstance(one, float) and isinstance(other, float):
        return _tensors(torch.tensor(one, dtype=torch.float32), torch.tensor(other, dtype=torch.float32))
    return "" if type(one) is type(other) and one == other else f"is {other!r:.40} and was {one!r:.40}"


def _kind(value: Any) -> str:
    return "tensor" if isinstance(value, torch.Tensor) else type(value).__name__


def _tensors(one: torch.Tensor, other: torch.Tensor) -> str:
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
    gap = torch.where(left == right, 0.0, (left - right).abs()).nan_to_num(0.0, posinf=float("inf"))
    worst = float(gap.max()) if gap.numel() else 0.0
    scale = float(left.abs().nan_to_num(0.0, posinf=0.0).max()) if left.numel() else 0.0
    step = STEPS.get(coarsest([dtype_name(one)]), STEPS["float32"])
    return f"differs by up to {worst:.2g}" if worst > STEPS_APART * step * scale else ""
