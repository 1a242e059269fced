"""Finds, names and copies the tensors of models and nested values."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils._pytree import keystr, tree_flatten, tree_flatten_with_path


def leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The leaves of a value, with names such as `output[0].logits`; dataclasses that torch does not know are opened too."""
    for path, leaf in _with_paths(value):
        full = name + path
        if dataclasses.is_dataclass(leaf) and not isinstance(leaf, type):
            for field in dataclasses.fields(leaf):
                yield from leaves(getattr(leaf, field.name), f"{full}.{field.name}")
        elif isinstance(leaf, torch.Tensor) and leaf.is_nested:  # the symbol in a jagged shape is only a name
            yield from ((f"{full}[{number}]", part) for number, part in enumerate(leaf.unbind()))
        else:
            yield full, leaf


def _with_paths(value: Any) -> list[tuple[str, Any]]:
    """The leaves with their paths, or with numbers if a class is registered without names (transformers 4)."""
    try:
        return [(keystr(path), leaf) for path, leaf in tree_flatten_with_path(value)[0]]
    except ValueError:
        return [(f"[{number}]", leaf) for number, leaf in enumerate(tree_flatten(value)[0])]


def input_tensors(args: Any, kwargs: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors of the inputs, named `input[0]`, `input['mask']`, …"""
    for part in (args, kwargs):
        for name, leaf in leaves(part, "input"):
            if isinstance(leaf, torch.Tensor):
                yield name, leaf


def uncompiled(model: Any) -> Any:
    """The module inside a compiled one; any other value unchanged."""
    return model._orig_mod if isinstance(model, torch.nn.Module) and hasattr(model, "_orig_mod") else model


def held(model: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Parameters and buffers by name, tied ones once, without those of lazy modules that have no shape yet."""
    inner = uncompiled(model)
    if isinstance(inner, torch.nn.Module):
        for name, tensor in (*inner.named_parameters(), *inner.named_buffers()):
            if not torch.nn.parameter.is_lazy(tensor):
                yield name, tensor


def at_rest(tensor: torch.Tensor | None) -> Any:
    """A copy on the CPU, without history."""
    return None if tensor is None else tensor.detach().to("cpu", copy=True)


def dtype_name(tensor: torch.Tensor) -> str:
    """`float32`, `bfloat16`, …"""
    return str(tensor.dtype).removeprefix("torch.")
