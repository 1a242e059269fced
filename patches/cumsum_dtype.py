"""Inductor keeps the cumsum of a constant if its own shortcut would return another dtype or value."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import torch
from torch._inductor.fx_passes import post_grad

if TYPE_CHECKING:
    from torch._inductor.pattern_matcher import Match, PatternEntry

_CUMSUM = ("call_function", torch.ops.aten.cumsum.default)


def _entries() -> list[PatternEntry]:
    entries: list[PatternEntry] = post_grad.pass_patterns[1].patterns.get(_CUMSUM, [])
    return entries


def _shortcuts() -> list[PatternEntry]:
    handler = getattr(post_grad, "pointless_cumsum_replacement", None)
    return [entry for entry in _entries() if getattr(entry, "handler", None) is handler is not None]


def refuses() -> str:
    found = len(_shortcuts())
    return "" if found == 1 else f"{found} patterns for the cumsum of a constant, where one is expected"


def _is_right(match: Match) -> bool:
    """Whether the shortcut, an arange in the constant's dtype, int64 for integers and booleans, is what cumsum gives."""
    dtype, fill = match.kwargs["dtype"], match.kwargs["fill_value"]
    wanted = match.output_node().kwargs.get("dtype")
    if dtype is None:
        return wanted is None
    integral = not (dtype.is_floating_point or dtype.is_complex)
    if wanted is not None and wanted is not (torch.int64 if integral else dtype):
        return False
    if not integral:
        return True
    # The shortcut uses the value before `full` has cast it.
    if isinstance(fill, (bool, int, float)):
        return fill == (bool(fill) if dtype is torch.bool else int(fill))
    return dtype is not torch.bool


class OnlyWhereRight:
    """The pattern of that shortcut, with one more condition."""

    def __init__(self) -> None:
        self.before = _shortcuts()[0]
        self.ours = dataclasses.replace(self.before, extra_check=self._check)

    def _check(self, match: Match) -> bool:
        return _is_right(match) and self.before.extra_check(match)

    def present(self) -> bool:
        return any(entry is self.ours for entry in _entries())

    def add(self) -> None:
        self._swap(self.before, self.ours)

    def remove(self) -> None:
        self._swap(self.ours, self.before)

    def _swap(self, old: PatternEntry, new: PatternEntry) -> None:
        entries = _entries()
        entries[next(at for at, entry in enumerate(entries) if entry is old)] = new
