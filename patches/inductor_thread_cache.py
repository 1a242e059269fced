"""The number of threads for which C++ is compiled is part of the key of Inductor's caches, as from torch 2.13 on."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch._inductor import config
from torch._inductor.utils import parallel_num_threads

if TYPE_CHECKING:
    from torch._inductor.codecache import FxGraphHashDetails


def _on_cpu(gm: torch.fx.GraphModule, inputs: Sequence[object]) -> bool:
    """Whether there is a tensor on a CPU: what is compiled only for other devices keeps its key."""
    values = list(inputs)
    for module in gm.modules() if isinstance(gm, torch.nn.Module) else ():
        for node in module.graph.nodes if isinstance(module, torch.fx.GraphModule) else ():
            values += [node.meta.get("val"), node.meta.get("example_value")]
    flat, _ = torch.utils._pytree.tree_flatten(values)
    return any(isinstance(value, torch.Tensor) and value.device.type == "cpu" for value in flat)


def with_threads(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def details(
        self: FxGraphHashDetails,
        gm: torch.fx.GraphModule,
        example_inputs: Sequence[object],
        *others: object,
        **named: object,
    ) -> None:
        original(self, gm, example_inputs, *others, **named)
        # If cpp.threads is set, it is part of the key already. With dynamic threads flex_attention still uses the number.
        if config.cpp.threads < 1 and _on_cpu(gm, example_inputs):
            self.cpp_runtime_thread_count = parallel_num_threads()

    return details
