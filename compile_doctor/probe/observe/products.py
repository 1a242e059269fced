"""Products in a graph: of two tensors, by a matmul, an einsum, or a broadcast multiplication that is summed."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.fx import Node

from compile_doctor.probe.observe import graphs

_ADDED_TO = frozenset({"baddbmm", "addmm"})
"""Products whose first argument is added to the result."""

PRODUCTS = frozenset({"matmul", "mm", "bmm", "einsum", "inner", "tensordot", "linear", "__matmul__", *_ADDED_TO})

_SUMMED = frozenset({"sum", "mean"})
"""What makes a product of queries and keys from a broadcast multiplication."""

MIXES = frozenset({*PRODUCTS, "conv2d"})

MOST_STEPS = 40
"""Operations between a product and the softmax: scale, mask, bias, soft cap, casts, views, a column more or less."""

_SMALL = 64
"""What multiplies a table and is smaller than it by this factor mixes its heads; it makes no other table."""


def dim_of(node: Node) -> int | None:
    """The one dimension over which it works."""
    dim = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else None)
    dim = dim[0] if isinstance(dim, (tuple, list)) and len(dim) == 1 else dim
    return dim if isinstance(dim, int) else None


def is_transposed(node: Node) -> bool:
    """Whether it swaps the last two dimensions of a tensor."""
    count, given = len(shape_of(node.meta.get("example_value"))), [*node.args[1:], *node.kwargs.values()]
    given = list(given[0]) if len(given) == 1 and isinstance(given[0], (tuple, list)) else given
    if name_of(node) in ("t", "mT", "T", "adjoint") or given in (["mT"], ["T"]):
        return True
    dims = [dim % count for dim in given if isinstance(dim, int)] if count else []
    if name_of(node) in ("transpose", "swapaxes", "swapdims"):
        return set(dims) == {count - 1, count - 2}
    return name_of(node) == "permute" and dims[-2:] == [count - 1, count - 2]


def is_product(node: Node) -> bool:
    """Whether it multiplies two tensors and sums over a dimension of both."""
    return name_of(node) in PRODUCTS or multiplication(node) is not None


def multiplication(node: Node) -> Node | None:
    """The multiplication of two broadcast tensors that a sum over a dimension of both makes a product of matrices."""
    made = next(iter(node.all_input_nodes), None) if name_of(node) in _SUMMED else None
    dim = dim_of(node)
    if made is None or dim is None or name_of(made) != "mul" or len(made.all_input_nodes) != 2:
        return None
    shape, *operands = (shape_of(one.meta.get("example_value")) for one in (made, *made.all_input_nodes))
    place = dim % len(shape) - len(shape) if shape else 0
    if not shape or any(len(one) < -place or one[place] != shape[place] for one in operands):
        return None
    return made if all(math.prod(one) < math.prod(shape) for one in operands) else None


def factors(product: Node) -> list[Node]:
    """What it multiplies."""
    product = multiplication(product) or product
    return product.all_input_nodes[1 if name_of(product) in _ADDED_TO else 0 :]


def weighs(product: Node, table: Node, keys_last: bool) -> bool:
    """Whether a product sums over the keys of a table."""
    operands = factors(product)
    if multiplication(product) is not None:
        return table in operands
    if name_of(product) != "einsum" or not isinstance(product.args[0], str):
        # The last dimension of the first operand is summed over, and of the second the one before it, or for these two the last.
        second = not keys_last or name_of(product) in ("linear", "inner")
        summed = [*(operands[:1] if keys_last else ()), *(operands[-1:] if second else ())]
        return table in summed
    terms, _, result = product.args[0].replace(" ", "").partition("->")
    term = dict(zip(operands, terms.split(","))).get(table, "")
    return len(term) > 1 and term[-1 if keys_last else -2] not in result


def mixes(node: Node, size: int) -> bool:
    """Whether it multiplies a table by something small, such as a matrix of heads by heads, and gives a table."""
    if name_of(node) not in MIXES or not is_near(node, size):
        return False
    tables = [one for one in node.all_input_nodes if is_near(one, size)]
    others = [one for one in node.all_input_nodes if one not in tables]
    return len(tables) == 1 and bool(others) and all(elements(one) * _SMALL <= size for one in others)


def is_near(node: Node, size: int) -> bool:
    """Whether its result has about the size of the table: a view of it, or a column more or less."""
    return size <= 2 * elements(node) <= 4 * size


def elements(node: Node) -> int:
    """Of its result; of all of them for what splits a tensor."""
    value = node.meta.get("example_value")
    parts = value if isinstance(value, (tuple, list)) else (value,)
    return sum(math.prod(shape) for shape in map(shape_of, parts) if shape)


def has_learned_keys(product: Node) -> bool:
    """Whether the keys are parameters (a vocabulary, a codebook, memory slots): then the table grows only with the tokens."""
    if multiplication(product) is not None:  # its operands have no order
        return any(map(_is_learned, factors(product)))
    return _is_learned(product.all_input_nodes[-1])


def _is_learned(node: Node) -> bool:
    """Whether it is computed from parameters only."""
    waiting, seen = [node], {node}
    while waiting and len(seen) < MOST_STEPS:
        current = waiting.pop()
        if not current.all_input_nodes and not isinstance(current.meta.get("example_value"), torch.nn.Parameter):
            return False
        more = [one for one in current.all_input_nodes if one not in seen]
        seen.update(more)
        waiting += more
    return not waiting


def name_of(node: Node) -> str:
    """The plain name of what a node calls; empty for what calls nothing."""
    if node.op not in ("call_function", "call_method"):
        return ""
    return str(getattr(node.target, "__name__", node.target)).split(".")[0].removeprefix("_safe_")


def shape_of(value: Any) -> tuple[int, ...]:
    """The sizes of a tensor, symbolic ones as `graphs.size` gives them; empty for anything else."""
    return tuple(graphs.size(one) for one in value.shape) if isinstance(value, torch.Tensor) else ()
