"""What to do about a size that varies."""

from __future__ import annotations

import re

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.recompiles.groups import Recompiled
from compile_doctor.checks.recompile_groups import is_method

_VALUE = re.compile(r"[A-Za-z_]\w*(?:\[(?:\d+|'\w+')\])*")
"""An argument, or a part of one: `images[0]`."""

SHAPES = (
    "This is expected when shapes vary: torch makes the dimension dynamic at the second shape. If more recompilations "
    "follow, use torch._dynamo.mark_dynamic(tensor, dim), or pad to a few sizes."
)

STATIC_SHAPES = (
    "It was compiled with dynamic=False, so each size gets its own graph, until the recompile limit. If sizes vary, "
    "leave `dynamic` out or set dynamic=True; or pad to a few sizes, and allocate a cache at its full size at once."
)


def size_advice(seen: AnalysisContext, group: Recompiled) -> str:
    inside = group.fixed is not None and seen.owner(group.fixed.stack[-1].file) == "torch"
    if inside and is_method(seen, group):
        return (
            "Each layer has weights of its own size, so one graph for each size is expected. If there are more than 8, set "
            "torch._dynamo.config.recompile_limit to their number; or compile the model that calls the layers, not each layer."
        )
    if group.guard.of_parameter:
        return (
            f"`{group.guard.source}` is a parameter, and torch keeps the shapes of parameters static. If this function is meant for "
            "parameters of many shapes (an optimizer's update), set torch._dynamo.config.force_parameter_static_shapes = False."
        )
    if group.fixed and is_method(seen, group):
        return (
            "That line needs the number itself: as the key of a container, in a condition, or beside a fixed size. Keep one table "
            "for the largest size, and slice it ([:n]), instead of one for each size; or accept one graph for each."
        )
    if group.fixed:
        return (
            "That line combines it with a size that torch keeps static. If that is the shape of a parameter which is passed "
            "in (an optimizer's update), set torch._dynamo.config.force_parameter_static_shapes = False. If it is a constant "
            "of the code, one graph for each size is expected."
        )
    if any(one.static for one in group.compilations):
        return STATIC_SHAPES
    source, dim = group.guard.source, group.guard.dimension
    named = dim is not None and _VALUE.fullmatch(source) is not None
    return SHAPES.replace("tensor, dim", f"{source}, {dim}") if named else SHAPES
