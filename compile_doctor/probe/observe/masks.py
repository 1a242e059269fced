"""The tables of queries × keys that a graph passes to SDPA as attn_mask: computed again from the graph's inputs, and compared
with what SDPA or flex_attention can express without a table.

What is compared is the mask of this run, element by element: nothing is concluded from how it is made.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch.fx import Graph, GraphModule, Node

from compile_doctor.probe import devices
from compile_doctor.probe.observe import graphs

_LEAST = 1024 * 1024
"""Elements of a mask from which it is looked at."""
_MOST_STEPS = 80
"""Operations that make a mask."""
_NEVER = -1e4
"""A float mask's value from which a pair of tokens counts as hidden: half precision has -65,504 at least."""

_IN_PLACE = {"setitem", "delitem"} | {
    name for name in dir(operator) if name[0] == "i" and {name[1:], f"{name[1:]}_"} & set(dir(operator))
}
"""Python's operators that write into their first operand: `iadd`, `iand`, …; `and_` and its like do not."""

Read = Callable[[tuple[Any, ...]], torch.Tensor]


def mask_readers(graph_module: GraphModule) -> dict[str, Read]:
    """{name of the SDPA node: a function from the graph's inputs to its attn_mask}, before a backend changes the graph."""
    found = {}
    for node in graph_module.graph.nodes:
        mask = graphs.attn_mask(node)
        value = mask.meta.get("example_value") if mask is not None else None
        if mask is not None and isinstance(value, torch.Tensor) and _is_table(value):
            read = reader(graph_module, mask)
            if read is not None:
                found[node.name] = read
    return found


def _is_table(value: torch.Tensor) -> bool:
    sizes = [graphs.size(one) for one in value.shape]
    return len(sizes) > 1 and sizes[-1] * sizes[-2] >= _LEAST and min(sizes) > 0


def reader(graph_module: GraphModule, mask: Node) -> Read | None:
    """A graph of only what makes the mask; None if that is too much, random, or no plain operation."""
    places = {
        node: place for place, node in enumerate(one for one in graph_module.graph.nodes if one.op == "placeholder")
    }
    needed = _ancestors(mask)
    if needed is None or _changed(graph_module, needed):
        return None
    graph, copies, used = Graph(), dict[Node, Node](), []
    for node in graph_module.graph.nodes:
        if node in needed:
            copies[node] = graph.node_copy(node, lambda one: copies[one])
            used += [places[node]] if node in places else []
    graph.output(copies[mask])
    module = GraphModule(graph_module, graph)

    def read(inputs: tuple[Any, ...]) -> torch.Tensor:
        result = module(*(inputs[place] for place in used))
        assert isinstance(result, torch.Tensor)
        return result

    return read


def _ancestors(mask: Node) -> set[Node] | None:
    waiting, seen = [mask], {mask}
    while waiting:
        node = waiting.pop()
        plain = node.op in ("placeholder", "get_attr", "call_function", "call_method")
        if len(seen) > _MOST_STEPS or not plain or "rand" in str(node.target) or "dropout" in str(node.target):
            return None
        new = [one for one in node.all_input_nodes if one not in seen]
        seen.update(new)
        waiting += new
    return seen


def _changed(graph_module: GraphModule, needed: set[Node]) -> bool:
    """Whether the graph writes into something that makes the mask, or into what may be a view of it."""
    related = set(needed)
    for node in graph_module.graph.nodes:
        if related & set(node.all_input_nodes):
            if _writes(node):
                return True
            related.add(node)
    return False


def _writes(node: Node) -> bool:
    """Whether an operation changes one of its inputs: `mask &= seen`, `mask[0] = …`, `mask.fill_(…)`, `out=`."""
    name = str(getattr(node.target, "__name__", node.target)).split(".")[0]
    if getattr(node.target, "__module__", "") == operator.iand.__module__:
        return name in _IN_PLACE
    return (name.endswith("_") and not name.endswith("__")) or name == "__setitem__" or "out" in node.kwargs


def described(mask: torch.Tensor) -> dict[str, Any]:
    """The fields of `schema.SdpaMask`. Raises MemoryError if there is not enough memory for the comparison."""
    left = devices.of(mask.device.type).free()
    if left is not None and 8 * mask.numel() > left:
        raise MemoryError("the mask is too large to be compared")
    stored = math.prod(size for size, stride in zip(mask.shape, mask.stride()) if stride)
    return {
        "shape": list(mask.shape),
        "dtype": str(mask.dtype).removeprefix("torch."),
        "bytes": stored * mask.element_size(),
        "pattern": pattern(mask),
    }


def pattern(mask: torch.Tensor) -> str:
    """What the mask equals: `none`, `causal`, `window`, `padding`, `causal-padding`; `other` for everything else.

    A mask that is broadcast over the queries or the keys is `other`: it is no table in memory.
    """
    if 0 in mask.stride()[-2:]:
        return "other"
    seen = _visible(mask)
    if seen is None:
        return "other"
    seen = seen.reshape(-1, *seen.shape[-2:])
    queries, keys = seen.shape[-2:]
    if bool(seen.all()):
        return "none"
    columns = seen.any(-2, keepdim=True)
    if torch.equal(seen, columns.expand_as(seen)):
        return "padding"
    if queries != keys:
        return "other"
    causal = torch.ones(queries, keys, dtype=torch.bool, device=seen.device).tril()
    if torch.equal(seen, causal.expand_as(seen)):
        return "causal"
    width = int(seen[0, -1].sum())
    if torch.equal(seen, (causal & causal.new_ones(queries, keys).triu(1 - width)).expand_as(seen)):
        return "window"
    return "causal-padding" if torch.equal(seen, causal & columns) else "other"


def _visible(mask: torch.Tensor) -> torch.Tensor | None:
    """Which pairs attend to each other; None for a mask that also weights them."""
    if mask.dtype is torch.bool:
        return mask
    shown = mask == 0
    return shown if bool((shown | (mask <= _NEVER)).all()) else None
