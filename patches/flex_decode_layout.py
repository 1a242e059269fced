"""flex_attention's decoding kernel: the layout of the query is decided before its strides are read, as torch 2.15 does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from torch._inductor.ir import IRNode

R = TypeVar("R")


def create_flex_decoding_kernel(original: Callable[..., R]) -> Callable[..., R]:
    def with_a_decided_layout(query: IRNode, *rest: object, **named: object) -> R:
        from torch._inductor import ir

        # Before it is realised, the query may be a computation, which has no layout: as_storage_and_layout raises.
        realised = ir.ExternKernel.require_stride1(ir.ExternKernel.realize_input(query))
        ir.as_storage_and_layout(realised, freeze=True)
        return original(realised, *rest, **named)

    return with_a_decided_layout
