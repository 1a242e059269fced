"""Nothing is fused after the CPU flex template, which does not support it; all other fusions remain."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch._inductor.codegen.cpp import CppScheduling
    from torch._inductor.scheduler import BaseSchedulerNode


def can_fuse_vertical(
    original: Callable[[CppScheduling, BaseSchedulerNode, BaseSchedulerNode], bool],
) -> Callable[[CppScheduling, BaseSchedulerNode, BaseSchedulerNode], bool]:
    def with_nothing_behind_flex(self: CppScheduling, node1: BaseSchedulerNode, node2: BaseSchedulerNode) -> bool:
        # A node may be several that were fused; only a template of Inductor's C++ backend has `template`.
        # By its name: the class may not exist yet while Inductor's modules import each other.
        if node1.is_template():
            template = getattr(node1.get_template_node(), "template", None)
            if type(template).__name__ == "CppFlexAttentionTemplate":
                return False
        return original(self, node1, node2)

    return with_nothing_behind_flex
