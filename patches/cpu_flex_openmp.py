"""The loops of score_mod and mask_mod, inside the template's parallel loop, are not made parallel again."""

from contextvars import ContextVar

from torch._inductor.codegen import cpp

_INSIDE = ContextVar("compile_doctor_cpu_flex_openmp", default=False)


def modification(original):
    def inside_of_a_loop(*rest, **named):
        token = _INSIDE.set(True)
        try:
            return original(*rest, **named)
        finally:
            _INSIDE.reset(token)

    return inside_of_a_loop


def decide_parallel_depth(original):
    def none_inside_of_flex(*rest, **named):
        return cpp.ParallelDepth(parallel_depth=0, start_depth=0) if _INSIDE.get() else original(*rest, **named)

    return none_inside_of_flex
