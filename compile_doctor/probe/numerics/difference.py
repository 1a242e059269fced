"""Turns three tensors (of a run, of eager, of the float64 run) into the numbers that are compared with tolerances."""

from __future__ import annotations

import math
from typing import Any

import torch

from compile_doctor.model.tolerances import coarsest
from compile_doctor.probe.numerics.trees import dtype_name

FAR = 0.1
"""A float64 run that differs from eager by more than this share of eager's largest value is not used as reference."""


def compare(
    name: str, mine: Any, eager: Any, exact: Any = None, noisy: Any = None, dtype: str = "float32", scale: float = 0.0
) -> dict[str, Any] | None:
    """A row as `evidence.Compared`; None for what cannot be compared (sparse, quantised, meta, NaN in places that a step moves).

    `mine` is compared with `exact`, the float64 run; with `eager` if `exact` is None or not usable as reference. `noisy` is
    eager's result with all values moved by one step. `scale` is the least scale of rounding.
    """
    row: dict[str, Any] = {"name": name, "dtype": dtype, "error": None}
    if mine is None or eager is None:  # a gradient of None is one of zero
        mine = torch.zeros_like(eager) if mine is None else mine
        eager = torch.zeros_like(mine) if eager is None else eager
    if mine.shape != eager.shape:
        return {**row, "note": f"shape {list(mine.shape)}, but eager has {list(eager.shape)}"}
    if any(one.layout is not torch.strided or one.is_quantized or one.is_meta for one in (mine, eager)):
        return None
    if mine.dtype != eager.dtype:
        return {**row, "note": f"dtype {dtype_name(mine)}, but eager has {dtype_name(eager)}"}
    if not (eager.is_floating_point() or eager.is_complex()):
        return {**row, **_whole(mine, eager, _like(exact, eager), _like(noisy, eager))}
    if exact is not None and _no_reference(eager, exact):
        exact = None
    row["dtype"] = coarsest((dtype, dtype_name(eager)))
    left, right = _wide(mine), _wide(eager)
    reference = _wide(exact) if exact is not None else None
    blind = ~torch.isfinite(right)
    same = (left == right) | (left.isnan() & right.isnan())
    saved = torch.zeros_like(blind)
    if reference is not None:  # eager overflowed, but the exact value is a number: the compiled run is not wrong there
        saved = blind & torch.isfinite(reference) & torch.isfinite(left)
        blind = blind | ~torch.isfinite(reference)
    wrong = ~saved & ~same & (~torch.isfinite(left) | ~torch.isfinite(right))
    if bool(wrong.any()):
        if _like(noisy, eager) is not None and not torch.equal(_wide(noisy).isfinite(), right.isfinite()):
            return None
        what = "NaN" if bool((left.isnan() != right.isnan())[wrong].any()) else "an infinity"
        return {
            **row,
            "note": f"{what} in {int(wrong.sum()):,} of {wrong.numel():,} places, in only one of the two runs",
        }
    used = ~blind | saved
    against = right if reference is None else reference
    row["scale"] = max(_largest(against[used]), scale)
    row["error"] = _largest((left - against)[used])
    row["relative"] = _largest((left - right)[~blind]) / (_largest(right[~blind]) or 1.0)
    if reference is not None:
        row["eager_error"] = _largest((right - against)[~blind])
    if _like(noisy, eager) is not None:
        gap = _largest((_wide(noisy) - right)[~blind])
        row["noise"] = gap if math.isfinite(gap) else None
    return row


def _no_reference(eager: torch.Tensor, exact: Any) -> bool:
    """Whether eager is too far from its float64 run for a comparison: another computation, or an ill-conditioned one."""
    if _like(exact, eager) is None:
        return True
    right, reference = _wide(eager), _wide(exact)
    used = torch.isfinite(right) & torch.isfinite(reference)
    return _largest((right - reference)[used]) > FAR * _largest(right[used])


def _whole(mine: torch.Tensor, eager: torch.Tensor, exact: Any, noisy: Any) -> dict[str, Any]:
    """The row for integers and truth values: how many differ."""
    against = eager if exact is None else exact
    return {
        "exact": True,
        "error": float((mine != against).sum()),
        "scale": float(mine.numel()),
        "eager_error": None if exact is None else float((eager != against).sum()),
        "relative": float((mine != eager).sum()) / max(1, mine.numel()),
        "noise": None if noisy is None else float((noisy != eager).sum()),
    }


def _like(other: Any, eager: torch.Tensor) -> Any:
    """`other` if it is a tensor of eager's shape, else None."""
    return other if isinstance(other, torch.Tensor) and other.shape == eager.shape else None


def _wide(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor in float64; a complex number as two."""
    if tensor.is_complex():
        return torch.view_as_real(tensor.resolve_conj().to(torch.complex128))
    return tensor.to(torch.float64)


def _largest(tensor: torch.Tensor) -> float:
    return float(tensor.abs().max()) if tensor.numel() else 0.0
