"""A number as an index into a tensor, into a Python sequence, or into modules."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from compile_doctor.source import conditions
from compile_doctor.source.assigned import values_of
from compile_doctor.source.conversion import bounds
from compile_doctor.source.trees import Tree
from compile_doctor.source.values import elements, is_tensor, is_truth, kind_of
from compile_doctor.source.values.elements import changes
from compile_doctor.source.vocabulary import DICT, FUNCTION, MASK, MODULES, NUMBER, SEQUENCE, TENSOR

if TYPE_CHECKING:
    from compile_doctor.source.conversion.attempt import Conversion


def index(attempt: Conversion, node: ast.Subscript, index: ast.expr) -> bool:
    """An element of a tensor, of a tuple of numbers or tensors, or the call of one of several modules."""
    if attempt.symbol or is_truth(attempt.tree, index):
        return False
    if isinstance(node.ctx, ast.Store):
        attempt.edits[index] = (
            f"{attempt.text(index) if conditions.is_one(index) else f'({attempt.text(index)})'}.reshape(1)"
        )
        return index is node.slice and is_tensor(attempt.tree, node.value)
    container = node.value
    kind, inside = kind_of(attempt.tree, container), attempt.text(container)
    if is_tensor(attempt.tree, container):
        return _element(attempt, node, index)
    if index is not node.slice:
        return False
    text = attempt.text(index)
    one = text if conditions.is_one(index) and "." not in text[-1:] else f"({text})"
    kinds = {kind_of(attempt.tree, element) for element in elements(attempt.tree, container)}
    if kind == SEQUENCE and kinds == {NUMBER}:
        attempt.edits[node] = f"torch.tensor({inside}, device={one}.device)[{one}.reshape(1)][0]"
        return attempt.value(node)
    if kind == DICT and _is_numbered(attempt.tree, container):
        attempt.edits[node] = f"torch.tensor(tuple({inside}.values()), device={one}.device)[{one}.reshape(1)][0]"
        return attempt.value(node)
    if kind == SEQUENCE and kinds and kinds <= {TENSOR, MASK}:
        attempt.edits[node] = f"torch.stack(tuple({inside}))[{one}.reshape(1)][0]"
        attempt.note(node, "the elements need one shape")
        return True
    call = attempt.tree.parents.get(node)
    if not isinstance(call, ast.Call) or call.func is not node:
        return False
    if kind == MODULES or (kind == SEQUENCE and kinds == {FUNCTION}):
        arguments = attempt.tree.source(call)[len(attempt.tree.source(node)) :]
        attempt.edits[call] = f"torch.stack([each{arguments} for each in {inside}])[{one}.reshape(1)][0]"
        attempt.note(call, "computes all of them, and the results need one shape")
        return True
    return False


def _element(attempt: Conversion, node: ast.Subscript, index: ast.expr) -> bool:
    """`x[:, n]`: `x[:, n.reshape(1)].squeeze(1)`."""
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    dim = parts.index(index)
    after = f".squeeze({dim})"
    if parts[:dim] and all(kind_of(attempt.tree, part) == NUMBER for part in parts[:dim]) and len(parts) == dim + 1:
        after = "[0]"
    elif not all(isinstance(part, ast.Slice) for part in parts[:dim]) or not all(
        isinstance(part, ast.Slice) for part in parts[dim + 1 :]
    ):
        return False
    texts = [attempt.text(part) for part in parts]
    texts[dim] = f"{texts[dim] if conditions.is_one(index) else f'({texts[dim]})'}.reshape(1)"
    attempt.edits[node] = f"{attempt.text(node.value)}[{', '.join(texts)}]{after}"
    return bounds.unshared(attempt, node)


def _is_numbered(tree: Tree, container: ast.expr) -> bool:
    """Whether a dict has the keys 0, 1, 2, … in this order, all values are numbers, and nothing changes it."""
    values = values_of(tree, container)
    table = values[0] if len(values) == 1 else None
    if not isinstance(table, ast.Dict) or any(True for _ in changes(tree, container)):
        return False
    keys = [one.value if isinstance(one, ast.Constant) else None for one in table.keys]
    return keys == list(range(len(keys))) and all(kind_of(tree, one) == NUMBER for one in table.values)
