"""torch.compiler.disable keeps a compiled flex_attention compiled: it disables a plain function around it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    from torch._dynamo.eval_frame import DisableContext

R = TypeVar("R")
Function: TypeAlias = Callable[..., object]

_FLEX = ("torch.nn.attention.flex_attention", "flex_attention")


def innermost_fn(original: Callable[..., Function]) -> Callable[..., Function]:
    def not_below_compiled_flex(fn: Function, *rest: object, **named: object) -> Function:
        kept = _kept(fn) if not rest and not named and _for_disable(sys._getframe(1)) else None
        return kept or original(fn, *rest, **named)

    return not_below_compiled_flex


def call(original: Callable[[DisableContext, Function], R]) -> Callable[[DisableContext, Function], R]:
    def disable(self: DisableContext, fn: Function) -> R:
        return original(self, _kept(fn) or fn)

    return disable


def _for_disable(frame: FrameType | None) -> bool:
    """Whether `disable` calls: torch._dynamo.run and skip call it too and need the original; a probe may be in between."""
    for _ in range(3):
        if frame is None or frame.f_globals.get("__name__") == "torch._dynamo.decorators":
            break
        frame = frame.f_back
    return frame is not None and frame.f_code.co_name in ("disable", "wrap")


def _kept(fn: Function) -> Function | None:
    """A plain function that calls the compiled flex_attention `fn`; None if `fn` is something else."""
    layer: Any = fn
    while (marks := getattr(layer, "__dict__", {})).get("_torchdynamo_disable"):
        layer = marks.get("_torchdynamo_orig_callable")
    inner = layer
    while (marks := getattr(inner, "__dict__", {})).get("_torchdynamo_orig_callable") is not None:
        if marks.get("_torchdynamo_wrapper_id", id(inner)) != id(inner):
            return None  # functools.wraps has copied the attributes: it is no wrapper of torch's
        inner = marks["_torchdynamo_orig_callable"]
    if inner is layer or (getattr(inner, "__module__", ""), getattr(inner, "__name__", "")) != _FLEX:
        return None

    def flex_attention(*args: object, **kwargs: object) -> object:
        return layer(*args, **kwargs)

    return flex_attention
