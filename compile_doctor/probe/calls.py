"""What all runs of a target share: seeds, devices, a backward pass, and the comparison of outputs with another run's."""

from __future__ import annotations

import pickle
import random
import sys
from typing import Any

import torch
from torch.utils._pytree import tree_flatten, tree_leaves

from compile_doctor.probe import devices
from compile_doctor.probe.load import Inputs


def seed() -> None:
    torch.manual_seed(0)
    random.seed(0)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(0)


def random_state() -> list[bytes]:
    """The states of torch's generators. If they change, outputs may differ: compiled code draws other numbers than eager."""
    return [bytes(state.tolist()) for state in devices.random_states()]  # torch may have no numpy


def other_random_state() -> list[bytes]:
    """numpy's and Python's generators. Dynamo replaces numpy's by torch's, and keeps Python's numbers as they are."""
    numpy = sys.modules.get("numpy")
    states = [random.getstate(), numpy.random.get_state() if numpy is not None else None]
    return [pickle.dumps(state) for state in states]


def has_device(leaf: Any) -> bool:
    return isinstance(leaf, torch.Tensor) or type(leaf).__name__ == "BlockMask"


def backward(output: Any) -> None:
    leaves = [leaf for leaf in tree_flatten(output)[0] if isinstance(leaf, torch.Tensor) and leaf.requires_grad]
    if leaves:
        sum(leaf.float().sum() if leaf.is_floating_point() else leaf.abs().sum() for leaf in leaves).backward()  # type: ignore[union-attr]


def device_of(model: Any, inputs: list[Inputs]) -> str | None:
    """The device type of the target: that of its first parameter, else of its first input; None without tensors."""
    leaves = list(model.parameters()) if isinstance(model, torch.nn.Module) else []
    leaves += [leaf for leaf in tree_flatten(inputs)[0] if isinstance(leaf, torch.Tensor)]
    return leaves[0].device.type if leaves else None


def opened(value: Any) -> list[Any]:
    """The leaves, and for a nested tensor its components: the symbol in a jagged shape (`j1`) is only a name."""
    found: list[Any] = []
    for leaf in tree_leaves(value):
        found += leaf.unbind() if isinstance(leaf, torch.Tensor) and leaf.is_nested else [leaf]
    return found


def unlike(compiled: list[Any], eager: list[Any]) -> str | None:
    """How the first call's outputs differ in structure, shape, dtype, NaN or infinity; None if they do not."""
    mine, other = opened(compiled), opened(eager)
    if len(mine) != len(other):
        return f"compiled returns {len(mine)} values, eager {len(other)}"
    for a, b in zip(mine, other):
        if not (isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor)):
            if isinstance(a, (str, int)) and isinstance(b, (str, int)) and a != b:
                return f"compiled returns {a!r:.40}, eager {b!r:.40}"
            continue
        if a.shape != b.shape:
            return f"compiled returns shape {list(a.shape)}, eager {list(b.shape)}"
        if a.dtype != b.dtype:
            return (
                f"compiled returns {str(a.dtype).removeprefix('torch.')}, eager {str(b.dtype).removeprefix('torch.')}"
            )
        if _has_numbers(a) and _has_numbers(b):
            left, right = _widened(a), _widened(b)
            if not torch.equal(left.isnan(), right.isnan()):
                return "NaN in only one of compiled and eager"
            if _gap(left, right).max().item() == float("inf"):
                return "infinity in only one of compiled and eager"
    return None


def compare(compiled: list[Any], eager: list[Any]) -> tuple[float | None, float | None, str | None]:
    """(largest absolute difference, largest finite eager value, None) over the first call's tensors, or (None, None, why).

    Requires that `unlike` returned None for these outputs.
    """
    worst: float | None = None
    scale = 0.0
    for a, b in zip(opened(compiled), opened(eager)):
        if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor) and _has_numbers(a) and _has_numbers(b):
            left, right = _widened(a), _widened(b)
            worst = max(worst or 0.0, _gap(left, right).max().item())
            scale = max(scale, right.abs().nan_to_num(0.0, posinf=0.0).max().item())
    return (None, None, "no tensors to compare") if worst is None else (worst, scale, None)


def _has_numbers(tensor: torch.Tensor) -> bool:
    return not (tensor.numel() == 0 or tensor.is_meta or tensor.is_quantized or tensor.layout is not torch.strided)


def _widened(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().to("cpu", torch.complex128 if tensor.is_complex() else torch.float64)


def _gap(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    return torch.where(left == right, 0.0, (left - right).abs()).nan_to_num(0.0, posinf=float("inf"))
