"""The results of one run: outputs, gradients, changed inputs and state, as tensors on the CPU, by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils._pytree import tree_flatten

from compile_doctor.probe.numerics.trees import at_rest, held, input_tensors, leaves, uncompiled


@dataclass
class Run:
    """Copies of tensors; None in `gradients` for a parameter without a gradient."""

    outputs: dict[str, Any] = field(default_factory=dict)
    gradients: dict[str, Any] = field(default_factory=dict)
    state: dict[str, torch.Tensor] = field(default_factory=dict)
    """Parameters and buffers after the last call; each call's inputs after that call."""
    unread: set[str] = field(default_factory=set)
    """Types of outputs in which no tensor was found."""


def keep(run: Run, number: int, model: Any, args: Any, kwargs: Any, output: Any, grad: bool) -> None:
    """Adds the results of call `number` (from 0)."""
    suffix = f" of call {number + 1}" if number else ""
    for name, leaf in leaves(output, "output"):
        if isinstance(leaf, torch.Tensor):
            run.outputs[name + suffix] = at_rest(leaf)
        elif isinstance(leaf, (bool, int, float, complex)):
            run.outputs[name + suffix] = torch.tensor(leaf)
        elif leaf is not None and not isinstance(leaf, str):
            run.unread.add(type(leaf).__name__)
    run.state.update((name, at_rest(tensor)) for name, tensor in held(model))
    for name, leaf in input_tensors(args, kwargs):
        run.state[name + suffix] = at_rest(leaf)
        if grad and leaf.requires_grad and leaf.is_leaf:
            run.gradients[name + suffix] = at_rest(leaf.grad)
    inner = uncompiled(model)
    if grad and isinstance(inner, torch.nn.Module):
        for name, parameter in inner.named_parameters():
            if parameter.requires_grad:
                run.gradients[name + suffix] = at_rest(parameter.grad)


def forget_gradients(model: Any, args: Any, kwargs: Any) -> None:
    """Removes the gradients of earlier calls: they would add up, and a CUDA graph overwrites what is kept over a step."""
    if isinstance(model, torch.nn.Module):
        model.zero_grad(set_to_none=True)
    for _, leaf in input_tensors(args, kwargs):
        if leaf.is_leaf:
            leaf.grad = None


def backward(output: Any) -> None:
    """Backward from a weighted sum of all outputs that need a gradient; from a loss (one number) unweighted.

    A plain sum would not work: that of a softmax or a normalised output is constant, and its gradient is only rounding.
    The weights are eighths from -1 to 1, from their own seed, and exact in every dtype.
    """
    draw = torch.Generator().manual_seed(0)
    parts = []
    for leaf in tree_flatten([leaf for _, leaf in leaves(output, "")])[0]:
        if isinstance(leaf, torch.Tensor) and leaf.requires_grad and leaf.layout is torch.strided:
            real = torch.view_as_real(leaf) if leaf.is_complex() else leaf
            weights = (
                torch.randint(-8, 9, real.shape, generator=draw) / 8 if real.numel() > 1 else torch.ones(real.shape)
            )
            part = (real * weights.to(real.device, real.dtype)).sum()
            parts.append(part.to("cpu", torch.promote_types(part.dtype, torch.float32)))
    if parts:
        torch.stack(parts).sum().backward()
