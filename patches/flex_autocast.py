"""Under autocast, a query, key and value that differ in dtype are cast to autocast's, as scaled_dot_product_attention does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

R = TypeVar("R")


def validate_sdpa_input(original: Callable[..., R]) -> Callable[..., R]:
    def validate_what_is_used(
        query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *rest: object, **named: object
    ) -> R:
        return original(*_harmonised(query, key, value), *rest, **named)

    return validate_what_is_used


def enforce_mem_layouts(
    original: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], R],
) -> Callable[[torch.Tensor, torch.Tensor, torch.Tensor], R]:
    def enforce_on_what_is_used(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> R:
        return original(*_harmonised(query, key, value))

    return enforce_on_what_is_used


def _harmonised(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> tuple[torch.Tensor, ...]:
    device = query.device.type
    if (query.dtype == key.dtype == value.dtype) or not torch.is_autocast_enabled(device):
        return query, key, value
    dtype = torch.get_autocast_dtype(device)
    return tuple(_cast(one, dtype, device) for one in (query, key, value))


def _cast(tensor: torch.Tensor, dtype: torch.dtype, device: str) -> torch.Tensor:
    # As in autocast: float64 and tensors on other devices are never cast. A subclass follows its own rules.
    if tensor.dtype == torch.float64 or not tensor.dtype.is_floating_point or tensor.device.type != device:
        return tensor
    if type(tensor) not in (torch.Tensor, torch.nn.Parameter):
        return tensor
    return tensor.to(dtype)
