"""What a score_mod or mask_mod captures is computed into a buffer before the CPU template's functions are lowered."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

R = TypeVar("R")


def lower_cpu(original: Callable[..., R]) -> Callable[..., R]:
    def with_buffers(
        query: object,
        key: object,
        value: object,
        subgraph: object,
        block_mask: object,
        scale: object,
        kernel_options: object,
        *captures: Iterable[object],
    ) -> R:
        # The original does so too, but only after it has lowered score_mod and mask_mod.
        for captured in (one for of_a_function in captures for one in of_a_function):
            if hasattr(captured, "realize"):  # else a size
                captured.realize()
        return original(query, key, value, subgraph, block_mask, scale, kernel_options, *captures)

    return with_buffers
