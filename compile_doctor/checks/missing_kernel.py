"""What CD002 says about an operator that the device has no kernel for."""

from __future__ import annotations

import re
from typing import Any

_NO_KERNEL = re.compile(r"Could not run '(?:aten|torch_attn)::(\w+)' with arguments from the '(\w+)' backend")
_INSTEAD = {
    "_flash_attention_forward": "varlen_attn has kernels for a GPU only: add --device cuda. On this device, flex_attention with a "
    "BlockMask that compares document numbers computes the same from (1, heads, tokens, width).",
    "_grouped_mm": "grouped_mm has a kernel for CPUs from torch 2.9 on: update torch, add --device cuda, or multiply group by group "
    "(torch.cat([x[a:b] @ w[i] for i, (a, b) in enumerate(groups)])).",
}
"""What to do instead, for operators that are called through a function of torch's."""


def missing_kernel(message: str) -> dict[str, Any] | None:
    """Title, message, cause and fix of the finding; None for another error."""
    found = _NO_KERNEL.search(message)
    if found is None:
        return None
    operator, device = found[1], found[2]
    return {
        "title": f"{device} has no kernel for an operator of the target",
        "message": f"aten::{operator} does not exist for {device} in this torch, without torch.compile either.",
        "cause": f"eager:no-kernel:{operator}",
        "fix": _INSTEAD.get(operator, "Choose the device that it is made for with --device, or replace the operator."),
    }
