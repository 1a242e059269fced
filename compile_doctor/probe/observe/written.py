"""Finds attention whose scores are written out: softmax(q @ k.T) @ v, MultiheadAttention with weights, the encoder's fast path.

A product may also be written as a broadcast one that is summed, (q[:, :, None] * k[:, None]).sum(-1). Scores that are no product
of queries and keys (added, or distances), and weights that are no softmax (a sigmoid, a decay), are not looked for.

None of them is a call of SDPA or of flex_attention. Each has a tensor of queries × keys for every head, unless Inductor's
pattern matcher recognises it (torch/_inductor/fx_passes/fuse_attention.py) or, on a GPU, the fast path takes a fused kernel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from torch.fx import GraphModule, Node

from compile_doctor.capture.schema import WrittenSeen
from compile_doctor.probe.observe import graphs
from compile_doctor.probe.observe.products import (
    MIXES,
    MOST_STEPS,
    PRODUCTS,
    dim_of,
    elements,
    factors,
    has_learned_keys,
    is_near,
    is_product,
    is_transposed,
    mixes,
    multiplication,
    name_of,
    shape_of,
    weighs,
)

_SAME_WEIGHTS = frozenset({*graphs.LAYOUT_ONLY, "to", "type_as", "float", "half", "bfloat16", "dropout"})

_CHOOSING = frozenset({"topk", "kthvalue", "sort", "argsort", "quantile", "median", "cumsum", "logcumsumexp"})
"""What needs all scores of a row: no kernel that sees them block by block has it."""

_EPSILON = 1e-3
"""A number below this that is added to a sum of exponentials takes no share worth mentioning."""


def written_scores(graph_module: GraphModule) -> list[WrittenSeen]:
    """Every place of a graph that holds scores, in order."""
    found = []
    for node in graphs.nodes(graph_module):
        made = {
            "softmax": _by_hand,
            "truediv": _by_sum,
            "div": _by_sum,
            "exp": _by_logarithm,
            "multi_head_attention_forward": _with_weights,
            "_transformer_encoder_layer_fwd": _fast_path,
        }
        read = made.get(name_of(node))
        entry = read(node) if read else None
        if entry is not None:
            found.append(entry)
    return found


def _by_hand(node: Node) -> WrittenSeen | None:
    dim = dim_of(node)
    return None if dim is None else _table(node, dim)


def _by_logarithm(node: Node) -> WrittenSeen | None:
    """A softmax that is written as the exponential of its logarithm: of log_softmax, or of scores less their logsumexp."""
    made = next(iter(node.all_input_nodes), None)
    if made is not None and name_of(made) == "sub":
        scores, total = (*made.all_input_nodes, None)[:2]
        made = (
            total if total is not None and scores in total.all_input_nodes and name_of(total) == "logsumexp" else None
        )
    elif made is not None and name_of(made) != "log_softmax":
        made = None
    dim = None if made is None else dim_of(made)
    return None if dim is None else _table(node, dim)


def _by_sum(node: Node) -> WrittenSeen | None:
    """A softmax that is written as exponentials over their sum, or over their sum and a term more."""
    above, below = (*node.args[:2], None, None)[:2]
    if not isinstance(above, Node) or not isinstance(below, Node) or name_of(above) != "exp":
        return None
    total = next((one for one in (below, *below.all_input_nodes) if name_of(one) == "sum"), None)
    if total is None or above not in total.all_input_nodes or (total is not below and name_of(below) != "add"):
        return None
    dim = dim_of(total)
    return None if dim is None else _table(node, dim, more=total is not below and not _only_epsilon(below))


def _only_epsilon(addition: Node) -> bool:
    """Whether what is added is a number that only prevents a division by zero."""
    return any(isinstance(one, (int, float)) and abs(one) < _EPSILON for one in addition.args)


def _table(node: Node, dim: int, more: bool = False) -> WrittenSeen | None:
    """The entry for a softmax over one dimension, if products make its table and use it; `more`: of more than the table."""
    value = node.meta.get("example_value")
    shape = shape_of(value)
    if len(shape) < 2 or min(shape) < 1 or dim % len(shape) < len(shape) - 2:
        return None
    keys_last, size = dim % len(shape) == len(shape) - 1, math.prod(shape)
    makers = list(_makers(node, size))
    before = next((one for one in makers if not has_learned_keys(one[0])), None)
    after = next(_users(node, size, keys_last), None)
    if before is None or after is None:
        return None
    maker, _, mixed_before = before
    product, weights, mixed_after = after
    broadcast = any(multiplication(one) is not None for one in (maker, product))
    inputs = sum(elements(one) for one in (*factors(maker), *factors(product)) if one is not weights)
    names = [one.name for one in (maker, node, product)]
    shape = shape if keys_last else (*shape[:-2], shape[-1], shape[-2])
    if len(shape) == 4 and shape[1] > shape[2]:
        shape = (shape[0], shape[2], shape[1], shape[3])  # (batch, queries, heads, keys)
    # A column that no product made, or that is cut off before values are weighed, takes a share and has no value.
    more = more or _is_added_to([one for one, *_ in makers], size) or 0 < _weighed(node) < size
    plain = "sink" if more else "broadcast" if broadcast else "matmul"
    chosen = "chosen" if _CHOOSING & set(map(name_of, _between(maker, node))) else plain
    how = "mixed-heads" if mixed_before or mixed_after else chosen
    entry = _entry(how, node, names, shape, inputs, value)
    if _is_dropped(node, product):
        entry["dropout"] = True
    return entry


def _with_weights(node: Node) -> WrittenSeen | None:
    if node.kwargs.get("need_weights", True) is False:
        return None  # then it is a call of SDPA
    query, key = (shape_of(one.meta.get("example_value")) if isinstance(one, Node) else () for one in node.args[:2])
    heads = node.args[4] if len(node.args) > 4 else node.kwargs.get("num_heads")
    if len(query) != 3 or len(key) != 3 or not isinstance(heads, int):
        return None
    shape = (query[1], heads, query[0], key[0])
    inputs = math.prod(query) + 2 * math.prod(key)
    return _entry("weights", node, [node.name], shape, inputs, node.args[0].meta.get("example_value"))


def _fast_path(node: Node) -> WrittenSeen | None:
    source, heads = node.args[0], node.args[2] if len(node.args) > 2 else None
    value = source.meta.get("example_value") if isinstance(source, Node) else None
    size = shape_of(value)
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


Found = tuple[Node, Node, bool]
"""A product, the node through which it was reached, and whether heads are mixed on the way."""


def _makers(node: Node, size: int) -> Iterator[Found]:
    """Products that make the table, over operations on tensors of about its size."""
    waiting, seen = [(node, False)], {node}
    while waiting and len(seen) < MOST_STEPS:
        current, mixed = waiting.pop(0)
        for one in current.all_input_nodes:
            if one in seen:
                continue
            seen.add(one)
            if mixes(one, size):
                waiting.append((one, True))
            elif is_product(one):
                yield one, current, mixed
            elif is_near(one, size) and name_of(one) not in MIXES:
                waiting.append((one, mixed))


def _between(product: Node, node: Node) -> set[Node]:
    """The operations through which a product reaches the softmax."""
    return _reached(product, lambda one: list(one.users)) & _reached(node, lambda one: one.all_input_nodes)


def _reached(node: Node, following: Callable[[Node], list[Node]]) -> set[Node]:
    """What follows a node step by step, up to the next product."""
    waiting, seen = [node], set[Node]()
    while waiting and len(seen) < MOST_STEPS:
        new = [one for one in following(waiting.pop(0)) if one not in seen and not is_product(one)]
        seen.update(new)
        waiting += new
    return seen


def _users(node: Node, size: int, keys_last: bool) -> Iterator[Found]:
    """Products that take the table as weights of the values."""
    waiting, seen = [(node, False, keys_last)], {node}
    while waiting and len(seen) < MOST_STEPS:
        current, mixed, last = waiting.pop(0)
        for one in current.users:
            if one in seen:
                continue
            seen.add(one)
            if mixes(one, size):
                waiting.append((one, True, last))
            elif is_product(one):
                if weighs(one, current, last):
                    yield one, current, mixed
            elif name_of(one) == "mul" and not is_near(one, size):
                yield from ((product, current, mixed) for product in one.users if multiplication(product) is one)
            elif is_near(one, size) and name_of(one) not in MIXES:
                waiting.append((one, mixed, last is not is_transposed(one)))


def _is_added_to(makers: list[Node], size: int) -> bool:
    """Whether the softmax has scores that no product made."""
    made = [elements(one) for one in makers]
    more = size - max(made)
    return more > 0 and more not in made


def _weighed(node: Node) -> int:
    """Elements of a table that products take, in one piece or in several."""
    waiting, seen, total = [node], {node}, 0
    while waiting and len(seen) < MOST_STEPS:
        current = waiting.pop()
        total += elements(current) * any(name_of(one) in PRODUCTS for one in current.users)
        more = [one for one in current.users if name_of(one) in _SAME_WEIGHTS and one not in seen]
        seen.update(more)
        waiting += more
    return total


def _is_dropped(node: Node, product: Node) -> bool:
    """Whether a dropout is applied to the weights between the softmax and the product."""
    waiting, seen = [node], {node}
    while waiting and len(seen) < MOST_STEPS:
        for one in waiting.pop().users:
            given = (*one.args[1:], None, None)
            rate, training = one.kwargs.get("p", given[0]), one.kwargs.get("training", given[1])
            if name_of(one) == "dropout" and rate != 0 and training is not False:
                return True
            if one not in seen and one is not product and name_of(one) in _SAME_WEIGHTS:
                seen.add(one)
                waiting.append(one)
    return False
