"""The CPU flex template gets a copy of a tensor that does not start at the start of its storage."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from torch._inductor import ir

R = TypeVar("R")


def _from_the_start(node: ir.IRNode) -> ir.IRNode:
    """The node, or a copy that starts at the start of its storage."""
    # The pointer of a graph's input includes its offset: the offset of its layout is 0.
    return node if node.get_layout().offset == 0 else ir.ExternKernel.copy_input(node)


def add_choices(original: Callable[..., R]) -> Callable[..., R]:
    def with_copies(*rest: object, input_nodes: list[ir.IRNode], **named: object) -> R:
        # The tensors that score_mod and mask_mod capture come after these, and are read with their offsets.
        ends = 5 if named["no_full_kv_block"] else 7
        nodes = [_from_the_start(node) for node in input_nodes[:ends]]
        return original(*rest, input_nodes=nodes + input_nodes[ends:], **named)

    return with_copies
