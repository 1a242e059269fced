"""If query, key and value share a buffer, the CPU flex template gets copies of them, as in torch 2.13."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from torch._inductor import ir, select_algorithm

R = TypeVar("R")


def lower_cpu(original: Callable[..., R]) -> Callable[..., R]:
    def with_copies(query: ir.IRNode, key: ir.IRNode, value: ir.IRNode, *rest: object, **named: object) -> R:
        nodes = [select_algorithm.realize_inputs(one) for one in (query, key, value)]
        names = [one.get_name() for one in nodes]
        nodes = [ir.ExternKernel.copy_input(one) if names.count(one.get_name()) > 1 else one for one in nodes]
        return original(*nodes, *rest, **named)

    return with_copies
