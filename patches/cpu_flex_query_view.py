"""The CPU flex template reads the size of the query's view, not that of the storage behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from torch._inductor.codegen.cpp_flex_attention_template import CppFlexAttentionTemplate
    from torch._inductor.ir import IRNode

R = TypeVar("R")


class _Sized:
    """What choose_flex_template reads, `value.data.data.layout.size`, with the size of the view."""

    def __init__(self, buffer: IRNode) -> None:
        self.data = self.layout = self
        self.size = list(buffer.get_size())


def choose_flex_template(original: Callable[..., R]) -> Callable[..., R]:
    def with_size_of_the_view(
        self: CppFlexAttentionTemplate, query: IRNode, key: IRNode, *rest: object, **named: object
    ) -> R:
        return original(self, _Sized(query), _Sized(key), *rest, **named)

    return with_size_of_the_view
