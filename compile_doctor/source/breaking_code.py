"""Whether code reads values of tensors, as far as its source shows: the other side of a condition is no better then."""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence

from compile_doctor.source.trees import Tree, called

_READS = frozenset(
    ["argwhere", "bincount", "item", "masked_select", "nonzero", "numpy", "tolist", "unique", "unique_consecutive"]
)
_DEEPEST = 3
"""Functions of the same file that are followed, one calling the other."""


def breaks_too(tree: Tree, code: Sequence[ast.AST], known: Collection[str] = (), left: int = _DEEPEST) -> bool:
    """Whether some code, or a function of the same file that it calls, has a call that ends a graph.

    `known`: names of functions that were seen to lead to a break.
    """
    calls = [node for one in code for node in ast.walk(one) if isinstance(node, ast.Call)]
    if any(_reads(one) or called(one) in known for one in calls):
        return True
    names = {called(one) for one in calls} if left else set()
    inside = (one for one in ast.walk(tree.root) if isinstance(one, ast.FunctionDef) and one.name in names)
    return any(breaks_too(tree, one.body, known, left - 1) for one in inside)


def _reads(call: ast.Call) -> bool:
    """Whether a call is for numbers, or for as many elements as the values allow."""
    name = called(call)
    return name in _READS or (name == "where" and len(call.args) == 1 and not call.keywords)
