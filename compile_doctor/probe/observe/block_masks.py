"""Which BlockMask a call of flex_attention gets, and whether its blocks differ where it has to be broadcast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.fx import GraphModule

from compile_doctor.probe.observe import graphs, masks

Differs = Callable[[tuple[Any, ...]], bool]


def readers(graph_module: GraphModule) -> dict[str, Differs]:
    """{name of the flex_attention node: whether its mask's blocks differ between batch entries or heads}, from the graph's inputs.

    Only for masks whose batch or heads are neither 1 nor the query's.
    """
    found = {}
    for node in graph_module.graph.nodes:
        query = node.args[0].meta.get("example_value") if graphs.is_flex(node) and node.args else None
        shape = graphs.block_mask(node) if isinstance(query, torch.Tensor) else None
        if shape is None or query is None:
            continue
        if any(one not in (1, graphs.size(other)) for one, other in zip(shape[:2], query.shape[:2])):
            blocks = graphs.block_tensors(node)
            reads = [masks.reader(graph_module, one) for one in blocks]
            if blocks and None not in reads:
                found[node.name] = _differs([one for one in reads if one is not None])
    return found


def _differs(reads: list[masks.Read]) -> Differs:
    def differs(inputs: tuple[Any, ...]) -> bool:
        tensors = [read(inputs) for read in reads]
        return any(not torch.equal(one, one[:1, :1].expand_as(one)) for one in tensors)

    return differs
