"""Counts the arguments of a functools.partial to find whether it is a mask_mod or a score_mod, without inspect.signature.

Dynamo cannot trace inspect.signature of a partial.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import TypeVar

R = TypeVar("R")


def _mask_mod(b: object, h: object, q_idx: object, kv_idx: object) -> None: ...


def _score_mod(score: object, b: object, h: object, q_idx: object, kv_idx: object) -> None: ...


def get_mod_type(original: Callable[[Callable[..., object]], R]) -> Callable[[Callable[..., object]], R]:
    def of_a_partial(fn: Callable[..., object]) -> R:
        # Plain functions only: a method's code counts self too.
        if isinstance(fn, functools.partial) and isinstance(fn.func, types.FunctionType):
            code, defaults = fn.func.__code__, fn.func.__defaults__ or ()
            names = code.co_varnames[len(fn.args) : code.co_argcount - len(defaults)]
            left = sum(1 for name in names if name not in fn.keywords)
            # torch itself decides which they are, from functions with the same number of parameters.
            if left == 4:
                return original(_mask_mod)
            if left == 5:
                return original(_score_mod)
        return original(fn)

    return of_a_partial
