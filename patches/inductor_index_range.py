"""A value range that Inductor has not passed on means "unknown"; torch 2.13.0 raises instead."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from torch.utils._sympy.singleton_int import SingletonInt

if TYPE_CHECKING:
    from torch.fx.experimental.symbolic_shapes import _SymbolInfo

R = TypeVar("R")


def _maybe_evaluate_static_worker(
    original: Callable[[object, tuple[_SymbolInfo, ...], bool, bool], R],
) -> Callable[[object, tuple[_SymbolInfo, ...], bool, bool], R | None]:
    @functools.wraps(original)
    def unknown_without_a_range(
        expr: object, symbol_info: tuple[_SymbolInfo, ...], unbacked_only: bool, size_oblivious: bool
    ) -> R | None:
        if any(symbol.vr is None and not isinstance(symbol.val, SingletonInt) for symbol in symbol_info):
            return None  # the answer, too, of every expression that the ranges do not decide
        return original(expr, symbol_info, unbacked_only, size_oblivious)

    return unknown_without_a_range
