"""Finds attention whose scores are written out: softmax(q @ k.T) @ v, MultiheadAttention with weights, the encoder's fast path.

None of them is a call of SDPA or of flex_attention. Each has a tensor of queries × keys for every head, unless Inductor's
pattern matcher recognises it (torch/_inductor/fx_passes/fuse_attention.py) or, on a GPU, the fast path takes a fused kernel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch.fx import GraphModule, Node

from compile_doctor.capture.schema import WrittenSeen
from compile_doctor.probe.observe import graphs

_PRODUCTS = frozenset({"matmul", "bmm", "baddbmm", "einsum", "__matmul__"})
_MOST_STEPS = 40
"""Operations between a product and the softmax: scale, mask, bias, soft cap, casts."""


def written_scores(graph_module: GraphModule) -> list[WrittenSeen]:
    """Every place of a graph that holds scores, in order."""
    found = []
    for node in graphs.nodes(graph_module):
        made = {
            "softmax": _by_hand,
            "multi_head_attention_forward": _with_weights,
            "_transformer_encoder_layer_fwd": _fast_path,
        }
        read = made.get(_name(node))
        entry = read(node) if read else None
        if entry is not None:
            found.append(entry)
    return found


def _by_hand(node: Node) -> WrittenSeen | None:
    value = node.meta.get("example_value")
    shape = _shape(value)
    dim = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else None)
    if len(shape) < 2 or dim not in (-1, len(shape) - 1):
        return None
    before = next(_products(node, shape, backward=True), None)
    after = next(_products(node, shape, backward=False), None)
    if before is None or after is None or _learned_keys(before):
        return None
    operands = [one for product in (before, after) for one in product.args if isinstance(one, Node)]
    others = [_shape(one.meta.get("example_value")) for one in operands]
    inputs = sum(math.prod(one) for one in others if one[-2:] != shape[-2:])
    names = [one.name for one in (before, node, after)]
    return _entry("matmul", node, names, shape, inputs, value)


def _with_weights(node: Node) -> WrittenSeen | None:
    if node.kwargs.get("need_weights", True) is False:
        return None  # then it is a call of SDPA
    query, key = (_shape(one.meta.get("example_value")) if isinstance(one, Node) else () for one in node.args[:2])
    heads = node.args[4] if len(node.args) > 4 else node.kwargs.get("num_heads")
    if len(query) != 3 or len(key) != 3 or not isinstance(heads, int):
        return None
    shape = (query[1], heads, query[0], key[0])
    inputs = math.prod(query) + 2 * math.prod(key)
    return _entry("weights", node, [node.name], shape, inputs, node.args[0].meta.get("example_value"))


def _fast_path(node: Node) -> WrittenSeen | None:
    source, heads = node.args[0], node.args[2] if len(node.args) > 2 else None
    value = source.meta.get("example_value") if isinstance(source, Node) else None
    size = _shape(value)
    if len(size) != 3 or not isinstance(heads, int):
        return None
    return _entry("fast-path", node, [node.name], (size[0], heads, size[1], size[1]), 3 * math.prod(size), value)


def _entry(how: Any, node: Node, names: list[str], shape: tuple[int, ...], inputs: int, value: Any) -> WrittenSeen:
    return {
        "how": how,
        "nodes": names,
        "stack": graphs.stack_of(node),
        "scores": list(shape),
        "inputs": inputs,
        "dtype": str(value.dtype).removeprefix("torch."),
        "device": value.device.type,
    }


def _products(node: Node, shape: tuple[int, ...], backward: bool) -> Iterator[Node]:
    """Products that make the scores, or that use them, over operations that keep the shape of a table of scores."""
    waiting, seen = [node], {node}
    while waiting and len(seen) < _MOST_STEPS:
        current = waiting.pop(0)
        for one in current.all_input_nodes if backward else list(current.users):
            if one in seen:
                continue
            seen.add(one)
            if _name(one) in _PRODUCTS:
                if backward or _uses_first(one, current):
                    yield one
            elif _shape(one.meta.get("example_value"))[-2:] == shape[-2:]:
                waiting.append(one)


def _learned_keys(product: Node) -> bool:
    """Whether the keys are parameters (a vocabulary, a codebook, memory slots): then the table grows only with the tokens."""
    keys = product.all_input_nodes[-1]
    waiting, seen = [keys], {keys}
    while waiting and len(seen) < _MOST_STEPS:
        current = waiting.pop()
        if not current.all_input_nodes and not isinstance(current.meta.get("example_value"), torch.nn.Parameter):
            return False
        more = [one for one in current.all_input_nodes if one not in seen]
        seen.update(more)
        waiting += more
    return not waiting


def _uses_first(product: Node, scores: Node) -> bool:
    """Whether the scores are multiplied from the left, as weights of the values."""
    operands = [one for one in product.args if isinstance(one, Node)]
    return bool(operands) and operands[0] is scores


def _name(node: Node) -> str:
    if node.op not in ("call_function", "call_method"):
        return ""
    return str(getattr(node.target, "__name__", node.target)).split(".")[0].removeprefix("_safe_")


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(graphs.size(one) for one in value.shape) if isinstance(value, torch.Tensor) else ()
