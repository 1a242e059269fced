"""flex_attention dequantises float8 tensors: to the first dtype among q, k and v that it can use."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import TypeVar

import torch

_RAW = tuple(
    getattr(torch, name)
    for name in ("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu")
    if hasattr(torch, name)
)
_PLAIN = (torch.Tensor, torch.nn.Parameter)

R = TypeVar("R")


def validate_sdpa_input(original: Callable[..., R]) -> Callable[..., R]:
    def validate_what_is_used(
        query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *rest: object, **named: object
    ) -> R:
        return original(*_usable(query, key, value), *rest, **named)

    return validate_what_is_used


def enforce_mem_layouts(
    original: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], R],
) -> Callable[[torch.Tensor, torch.Tensor, torch.Tensor], R]:
    def enforce_on_what_is_used(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> R:
        return original(*_usable(query, key, value))

    return enforce_on_what_is_used


def _usable(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> tuple[torch.Tensor, ...]:
    inputs = (query, key, value)
    if not (_is_float8(query) or _is_float8(key) or _is_float8(value)):
        return inputs
    # No next(…, default): Dynamo of torch 2.8 cannot trace it.
    dtypes = [one.dtype for one in inputs if one.dtype.is_floating_point and one.dtype not in _RAW]
    dtype = dtypes[0] if dtypes else torch.bfloat16
    plain = [_dequantised(one) if _is_subclass(one) else one for one in inputs]
    return tuple(one.to(dtype) if one.dtype.is_floating_point else one for one in plain)


def _is_float8(tensor: torch.Tensor) -> bool:
    # Raw float8 only on CPU: a GPU has kernels for it, and there it is intended.
    return _is_subclass(tensor) or (tensor.dtype in _RAW and tensor.device.type == "cpu")


def _is_subclass(tensor: torch.Tensor) -> bool:
    """Whether its class defines how to dequantise it; every tensor has a `dequantize` in C, which does not count."""
    # Every version of Dynamo can trace this, even for tensors that are created in the graph: no hasattr.
    kind = type(tensor)
    if kind in _PLAIN:
        return False
    return _own_name(kind) or isinstance(kind.dequantize, FunctionType)


def _own_name(kind: type[torch.Tensor]) -> bool:
    return getattr(kind, "to_original_precision", None) is not None


def _dequantised(tensor: torch.Tensor) -> torch.Tensor:
    plain = tensor.to_original_precision() if _own_name(type(tensor)) else tensor.dequantize()
    if tensor.requires_grad and torch.is_grad_enabled() and not plain.requires_grad:
        raise RuntimeError("flex_attention: the dequantised tensor has lost the gradient of its float8 tensor")
    return plain
