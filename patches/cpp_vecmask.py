"""The bounds check of a vector of indices creates its mask from a scalar with VecMask::from, not with a constructor."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from torch._inductor.codegen.cpp import CppVecKernel
    from torch._inductor.codegen.cpp_utils import CppCSEVariable

R = TypeVar("R")


class _FromScalar:
    """A scalar mask, printed as the vector mask that indirect_assert expects."""

    is_vec = True

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


def indirect_assert(original: Callable[..., R]) -> Callable[..., R]:
    def with_vector_mask(
        self: CppVecKernel,
        var: CppCSEVariable,
        lower: object,
        upper: object,
        mask: CppCSEVariable | _FromScalar | None = None,
    ) -> R:
        if mask and var.is_vec and not mask.is_vec:
            mask = _FromScalar(f"{self._get_mask_type(var.dtype)}::from({mask})")
        return original(self, var, lower, upper, mask)

    return with_vector_mask
