"""A value range that Inductor has not passed on means "unknown"; torch 2.13.0 raises instead."""

import functools

from torch.utils._sympy.singleton_int import SingletonInt


def _maybe_evaluate_static_worker(original):
    @functools.wraps(original)
    def unknown_without_a_range(expr, symbol_info, unbacked_only, size_oblivious):
        if any(symbol.vr is None and not isinstance(symbol.val, SingletonInt) for symbol in symbol_info):
            return None  # the answer, too, of every expression that the ranges do not decide
        return original(expr, symbol_info, unbacked_only, size_oblivious)

    return unknown_without_a_range
