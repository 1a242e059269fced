"""The state of a target before any run: each run starts from the same parameters, buffers and inputs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._pytree import tree_flatten, tree_map

from compile_doctor.model.tolerances import coarsest
from compile_doctor.probe.load import Inputs
from compile_doctor.probe.numerics.trees import at_rest, dtype_name, held, input_tensors, uncompiled


class Start:
    """The state, copied before the compiled run."""

    def __init__(
        self, build: Callable[[], Any] | None, anew: Callable[[], list[Inputs]], model: Any, inputs: list[Inputs]
    ) -> None:
        """`build` makes the model again, None if the target cannot; `anew` makes the inputs again."""
        self.build = build
        self.anew = anew
        self.notes: list[str] = []
        inner = uncompiled(model)
        self.tensors = {name: at_rest(tensor) for name, tensor in held(model)}
        for number, (args, kwargs) in enumerate(inputs):
            suffix = f" of call {number + 1}" if number else ""
            self.tensors |= {name + suffix: at_rest(tensor) for name, tensor in input_tensors(args, kwargs)}
        self._copy = self._copied(inner) if build is None and isinstance(inner, torch.nn.Module) else None
        # Not kept if it is not needed: every model more counts if one takes gigabytes.
        self.given = model if build is None and self._copy is None else None
        self._inputs = self._copied(inputs, "")
        parts = list(inner.modules()) if isinstance(inner, torch.nn.Module) else []
        self.depth = max(1, sum(1 for part in parts if any(True for _ in part.parameters(recurse=False))))
        leaves = [leaf for leaf in tree_flatten(inputs)[0] if isinstance(leaf, torch.Tensor)]
        self.dtype = coarsest(dtype_name(leaf) for leaf in (*leaves, *(tensor for _, tensor in held(model))))

    def _copied(self, value: Any, what: str = "the model") -> Any:
        try:
            return copy.deepcopy(value)
        except Exception as error:  # a lock, a handle, tensors with a history: noted, or made again
            if what:
                self.notes.append(f"{what} cannot be copied ({type(error).__name__}): only its tensors are restored")
            return None

    def model(self) -> Any:
        """The model, with the tensors of the start."""
        if self.build is not None:
            model = self.build()
        else:
            model = self.given if self._copy is None else copy.deepcopy(self._copy)
        with torch.no_grad():
            for name, tensor in held(model):
                known = self.tensors.get(name)
                if known is not None and known.shape == tensor.shape:
                    tensor.copy_(known)
        return model

    def inputs(self) -> list[Inputs]:
        """The inputs of the start."""
        found: list[Inputs] = self.anew() if self._inputs is None else copy.deepcopy(self._inputs)
        return found


def quietened(value: Any) -> Any:
    """Sets dropout of a module to 0, in place: its dropout modules, and its attributes named so (`dropout`, `attn_drop`)."""
    if isinstance(value, torch.nn.Module):
        for module in value.modules():
            if isinstance(module, torch.nn.modules.dropout._DropoutNd):
                module.p = 0.0
            for name, held_value in vars(module).items():
                if "drop" in name and isinstance(held_value, float):
                    setattr(module, name, 0.0)
    return value


def doubled(value: Any) -> Any:
    """Converts a module (in place) or nested inputs from every floating dtype to float64 (complex128)."""
    if isinstance(value, torch.nn.Module):
        return value._apply(_double)
    return each_tensor(_double, value)


def _double(leaf: torch.Tensor) -> torch.Tensor:
    if not (leaf.is_floating_point() or leaf.is_complex()):
        return leaf
    wide = leaf.detach().to(torch.complex128 if leaf.is_complex() else torch.float64)
    return wide.requires_grad_(leaf.requires_grad)


def moved(value: Any, whole: bool = True) -> Any:
    """Moves each floating number of a module (in place) or of nested inputs by one step of its dtype, at random up or down.

    Without `whole`, whole numbers stay: no rounding changes a 1 that is given as it is, and `long()` of it depends on that.
    """
    draw = torch.Generator().manual_seed(1)
    if isinstance(value, torch.nn.Module):
        with torch.no_grad():
            for parameter in value.parameters():
                if not torch.nn.parameter.is_lazy(parameter):
                    parameter.copy_(_move(parameter, draw, whole))
        return value
    return each_tensor(lambda tensor: _move(tensor, draw, whole), value)


def each_tensor(change: Callable[[torch.Tensor], torch.Tensor], value: Any) -> Any:
    """Changes every tensor, a shared one only once: a call may write into what the next one reads."""
    done: dict[int, torch.Tensor] = {}

    def one(leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor):
            return leaf
        if id(leaf) not in done:
            done[id(leaf)] = change(leaf)
        return done[id(leaf)]

    return tree_map(one, value)


def _move(tensor: torch.Tensor, draw: torch.Generator, whole: bool) -> torch.Tensor:
    if not tensor.is_floating_point() or tensor.layout is not torch.strided or tensor.itemsize < 2:
        return tensor
    plain = tensor.detach()
    up = torch.randint(0, 2, tensor.shape, generator=draw).to(tensor.device, tensor.dtype) * 2 - 1
    moves = plain.isfinite() if whole else plain.isfinite() & (plain != plain.round())
    step = torch.where(moves, plain.abs() * torch.finfo(tensor.dtype).eps * up, 0.0)
    return (plain + step.to(tensor.dtype)).requires_grad_(tensor.requires_grad)
