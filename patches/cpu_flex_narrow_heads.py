"""The CPU's micro GEMM writes no more columns of scores than there are keys left."""

import sys

_TAIL = "N % Vectorized::size() == 0 && "
"""In the kernel for the last N < BLOCK_N keys: chooses the implementation that loads and stores BLOCK_N of them."""


def refuses():
    template = sys.modules["torch._inductor.codegen.cpp_micro_gemm"].CppMicroGemmFP32Vec.TEMPLATE_KERNEL
    return "" if _TAIL in template else f"the template does not read {_TAIL.strip()!r}"


def codegen_define(original):
    def with_all_columns_or_none(self, kernel):
        return original(self, kernel).replace(_TAIL, "N == BLOCK_N && ")

    return with_all_columns_or_none
