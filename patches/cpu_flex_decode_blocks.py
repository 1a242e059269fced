"""The CPU's decoding template, which reads full blocks, is used only for masks that have some."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch._inductor.codegen.cpp_flex_attention_template import CppFlexAttentionTemplate


def choose_flex_template(original: Callable[..., str]) -> Callable[..., str]:
    def for_masks_with_full_blocks(self: CppFlexAttentionTemplate, *rest: object, **named: object) -> str:
        if self.no_full_kv_block:
            template: str = sys.modules[type(self).__module__].FLEX_ATTENTION_TEMPLATE
            return template
        return original(self, *rest, **named)

    return for_masks_with_full_blocks
