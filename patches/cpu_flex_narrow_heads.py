"""The CPU's micro GEMM writes no more columns of scores than there are keys left."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch._inductor.codegen.cpp_micro_gemm import CppMicroGemmFP32Vec
    from torch._inductor.codegen.cpp_template_kernel import CppTemplateKernel

_TAIL = "N % Vectorized::size() == 0 && "
"""In the kernel for the last N < BLOCK_N keys: chooses the implementation that loads and stores BLOCK_N of them."""


def refuses() -> str:
    template = sys.modules["torch._inductor.codegen.cpp_micro_gemm"].CppMicroGemmFP32Vec.TEMPLATE_KERNEL
    return "" if _TAIL in template else f"the template does not read {_TAIL.strip()!r}"


def codegen_define(
    original: Callable[[CppMicroGemmFP32Vec, CppTemplateKernel], str],
) -> Callable[[CppMicroGemmFP32Vec, CppTemplateKernel], str]:
    def with_all_columns_or_none(self: CppMicroGemmFP32Vec, kernel: CppTemplateKernel) -> str:
        return original(self, kernel).replace(_TAIL, "N == BLOCK_N && ")

    return with_all_columns_or_none
