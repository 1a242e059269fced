"""Finds the repeated blocks of a model, which torch.compile can compile once for all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import torch


def repeated_blocks(model: Any) -> list[torch.nn.Module]:
    """The outermost children of a ModuleList, Sequential or ModuleDict that are of one class; empty if no class repeats."""
    return list(_blocks(model)) if isinstance(model, torch.nn.Module) else []


def _blocks(module: torch.nn.Module) -> Iterator[torch.nn.Module]:
    children = list(module.children())
    if isinstance(module, (torch.nn.ModuleList, torch.nn.Sequential, torch.nn.ModuleDict)):
        counts = Counter(type(child) for child in children if not _is_one_operator(child))
        repeated = [child for child in children if counts[type(child)] > 1]
        if repeated:
            yield from repeated
            return
    for child in children:
        yield from _blocks(child)


def _is_one_operator(module: torch.nn.Module) -> bool:
    """A layer of torch itself without parts of its own, which is too small to be compiled alone."""
    return type(module).__module__.startswith("torch.nn.") and not list(module.children())
