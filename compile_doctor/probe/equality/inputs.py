"""Other inputs for a target, made from its own: other values, scales, signs, constants; shapes and dtypes stay.

Some cases scale the parameters instead: a branch on what a model has computed is not reached by every input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from compile_doctor.probe.load import Inputs
from compile_doctor.probe.numerics.state import each_tensor

Change = Callable[[torch.Tensor, torch.Generator], torch.Tensor]
"""A tensor of the inputs, and where random numbers come from → another one of its shape and dtype."""


def cases(inputs: list[Inputs], count: int) -> Iterator[tuple[str, list[Inputs], float]]:
    """(name, inputs, factor of the parameters): those of the target first, then `count` others.

    A tensor that is given twice stays one tensor.
    """
    yield "as given", inputs, 1.0
    for number in range(count):
        name, change, factor = CHANGES[number % len(CHANGES)]
        draw = torch.Generator().manual_seed(number)
        turn = number // len(CHANGES)
        yield name + (f" ({turn + 1})" if turn else ""), _changed(inputs, change, draw), factor


def scaled(model: Any, factor: float) -> Any:
    """The model, with its real parameters multiplied in place."""
    if factor != 1.0 and isinstance(model, torch.nn.Module):
        with torch.no_grad():
            for parameter in model.parameters():
                if not torch.nn.parameter.is_lazy(parameter) and _real(parameter):
                    parameter.mul_(factor)
    return model


def _changed(inputs: list[Inputs], change: Change, draw: torch.Generator) -> list[Inputs]:
    def one(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.layout is not torch.strided or tensor.is_nested or not tensor.numel() or tensor.is_meta:
            return tensor
        plain = tensor.detach()
        made = change(plain.cpu(), draw).to(tensor.device, tensor.dtype)
        result = torch.empty_like(plain).copy_(made)  # with the strides of the original
        return result.requires_grad_(tensor.requires_grad)

    found: list[Inputs] = each_tensor(one, inputs)
    return found


def _other(tensor: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
    """Values of the same kind: normal with the same mean and spread, or whole numbers between the same bounds."""
    if tensor.dtype is torch.bool:
        return torch.rand(tensor.shape, generator=draw) < 0.5
    if not _real(tensor):
        low, high = int(tensor.min()), int(tensor.max())
        return torch.randint(low, high + 1, tensor.shape, generator=draw)
    values = tensor.double()
    spread = values.std() if tensor.numel() > 1 else values.abs().mean()
    return torch.randn(tensor.shape, generator=draw, dtype=torch.float64) * spread + values.mean()


def _scaled(factor: float) -> Change:
    """Real numbers times a factor; whole numbers and booleans get other values."""
    return lambda tensor, draw: tensor.double() * factor if _real(tensor) else _other(tensor, draw)


def _filled(real: float, flag: bool) -> Change:
    """Real numbers replaced by one, booleans by `flag`, whole numbers by their smallest or largest."""

    def fill(tensor: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
        if tensor.dtype is torch.bool:
            return torch.full_like(tensor, flag)
        if _real(tensor):
            return torch.full_like(tensor, real)
        return torch.full_like(tensor, int(tensor.max() if flag else tensor.min()))

    return fill


def _one_place(value: float) -> Change:
    """One element replaced: NaN or infinity."""

    def put(tensor: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
        if not _real(tensor):
            return _other(tensor, draw)
        found = tensor.double().clone().reshape(-1)
        found[int(torch.randint(0, found.numel(), (1,), generator=draw))] = value
        return found.reshape(tensor.shape)

    return put


def _permuted(tensor: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
    return tensor.reshape(-1)[torch.randperm(tensor.numel(), generator=draw)].reshape(tensor.shape)


def _real(tensor: torch.Tensor) -> bool:
    return tensor.is_floating_point() and tensor.itemsize >= 2


CHANGES: tuple[tuple[str, Change, float], ...] = (
    ("other values", _other, 1.0),
    ("times 100", _scaled(100.0), 1.0),
    ("parameters times 10", _other, 10.0),
    ("negative", _scaled(-1.0), 1.0),
    ("times 0.01", _scaled(0.01), 1.0),
    ("parameters times 0.1", _other, 0.1),
    ("zeros, smallest, false", _filled(0.0, False), 1.0),
    ("permuted", _permuted, 1.0),
    ("times 10,000", _scaled(1e4), 1.0),
    ("parameters times 100", _permuted, 100.0),
    ("ones, largest, true", _filled(1.0, True), 1.0),
    ("times -0.1", _scaled(-0.1), 1.0),
    ("parameters times 1,000", _other, 1e3),
    ("one NaN", _one_place(float("nan")), 1.0),
    ("one infinity", _one_place(float("inf")), 1.0),
)
"""From the change that is likeliest to reach another branch to the rarest."""
