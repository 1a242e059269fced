"""The loops of score_mod and mask_mod, inside the template's parallel loop, are not made parallel again."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import ParamSpec, TypeVar

from torch._inductor.codegen import cpp

P = ParamSpec("P")
R = TypeVar("R")

_INSIDE = ContextVar("compile_doctor_cpu_flex_openmp", default=False)


def modification(original: Callable[P, R]) -> Callable[P, R]:
    def inside_of_a_loop(*rest: P.args, **named: P.kwargs) -> R:
        token = _INSIDE.set(True)
        try:
            return original(*rest, **named)
        finally:
            _INSIDE.reset(token)

    return inside_of_a_loop


def decide_parallel_depth(original: Callable[P, cpp.ParallelDepth]) -> Callable[P, cpp.ParallelDepth]:
    def none_inside_of_flex(*rest: P.args, **named: P.kwargs) -> cpp.ParallelDepth:
        return cpp.ParallelDepth(parallel_depth=0, start_depth=0) if _INSIDE.get() else original(*rest, **named)

    return none_inside_of_flex
