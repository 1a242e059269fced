"""Known defects of Inductor's CPU flex template: what a compile error of one looks like, in words of our own.

Each has a recipe that mends it; measured on torch 2.8 to 2.15.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Defect:
    """A compile error that is torch's fault; `recipe` is the workaround's id."""

    recipe: str
    pattern: re.Pattern[str]
    title: str
    why: str
    fix: str
    stack: str = ""
    """A function of torch's that has to be on the stack, where the message alone could be anything."""


DEFECTS = (
    Defect(
        "cpu-flex-query-view",
        re.compile(r"not enough values to unpack \(expected 4, got \d\)|list index out of range"),
        "Inductor's CPU flex template takes no view of a Linear's output as query",
        "torch 2.13 and later read the layout of the storage in place of the view's shape (choose_flex_template), so that "
        "the standard projection, self.q(x).view(…).transpose(1, 2), fails on CPU. The Triton template is other code.",
        "Until it is mended: q, k = q.contiguous(), k.contiguous() before flex_attention; or the recipe cpu-flex-query-view.",
        "choose_flex_template",
    ),
    Defect(
        "cpu-flex-epilogue",
        re.compile(r"Unsupported for .?epilogue_nodes.? in CppFlexAttentionTemplate"),
        "Inductor's CPU flex template takes no pointwise operation behind it",
        "Whatever is computed element by element from the result of flex_attention (a sum, a cast, an activation) is fused "
        "into the kernel, and the CPU template cannot do that, on any torch from 2.8 on. The Triton template is other code.",
        "Until it is mended: torch._inductor.config.epilogue_fusion = False; or the recipe cpu-flex-epilogue.",
    ),
    Defect(
        "cpu-flex-openmp",
        re.compile(r"error: expected primary-expression before .\).|expected .\}. at end of input"),
        "torch 2.8.0 generates C++ with an unbalanced brace for flex_attention on CPU",
        "The OpenMP part of the CPU flex template is wrong in torch 2.8.0 where there are several threads.",
        "torch.set_num_threads(1), or another torch; or the recipe cpu-flex-openmp.",
        "flex_attention",
    ),
    Defect(
        "cpu-flex-same-buffer",
        re.compile(r"Unsupported for now if query, key, value are the same buffer"),
        "Inductor's CPU flex template takes no tensor that is query, key and value at once",
        "Where query, key and value are one buffer, the CPU flex template up to torch 2.12.1 refuses them.",
        "Clone key and value behind an operator that is not optimised away; or the recipe cpu-flex-same-buffer.",
    ),
)


def find_defect(message: str, text: str) -> Defect | None:
    """The defect that an exception's message shows; `text` is the traceback and all messages of the chain."""
    return next((one for one in DEFECTS if one.pattern.search(message) and one.stack in text), None)
