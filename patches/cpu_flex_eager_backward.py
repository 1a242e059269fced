"""flex_attention accepts tensors that require a gradient on CPU if it runs eagerly."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch.compiler import is_dynamo_compiling

R = TypeVar("R")


class _NoGradient:
    """What _validate_device reads of a tensor, with requires_grad False."""

    requires_grad = False

    def __init__(self, device: torch.device) -> None:
        self.device = device


def validate_device(
    original: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], R],
) -> Callable[[torch.Tensor, torch.Tensor, torch.Tensor], R]:
    def with_backward_in_eager(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> R:
        # Compiled code has no backward on CPU, and the refusal remains.
        if query.device.type == "cpu" and not is_dynamo_compiling():
            query = key = value = _NoGradient(query.device)
        return original(query, key, value)

    return with_backward_in_eager
