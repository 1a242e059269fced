"""Expressions without tensors, such as a text, a path or a key: Python can compute them outside of the compiled code."""

from __future__ import annotations

import ast

from compile_doctor.source.trees import Tree, called
from compile_doctor.source.values import is_tensor
from compile_doctor.source.vocabulary import OUTPUT

_ABOUT = frozenset({"shape", "dtype", "device", "ndim", "is_cuda", "requires_grad"})
"""What Python knows of a tensor without its values."""


def without_tensors(tree: Tree, node: ast.expr, _: str) -> dict[str, str] | None:
    """`plain-call`: the largest such expression that calls something; `depends`: the names of the function that it needs."""
    parent = tree.parents.get(node)
    if not _calls(node) or _has_tensors(tree, node):
        return None
    if isinstance(parent, ast.expr) and not isinstance(parent, ast.Lambda) and not _has_tensors(tree, parent):
        return None
    function = tree.scope(node)
    own = {one.arg for one in ast.walk(function) if isinstance(one, ast.arg)}
    own |= {one.id for one in ast.walk(function) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
    needed = dict.fromkeys(one.id for one in ast.walk(node) if isinstance(one, ast.Name) and one.id in own)
    return {"plain-call": tree.source(node), "depends": ", ".join(needed)}


def output(tree: Tree, node: ast.expr, _: str) -> dict[str, str] | None:
    """A statement that only prints, logs or writes something."""
    if not isinstance(tree.parents.get(node), ast.Expr) or not isinstance(node, ast.Call):
        return None
    return {"output": tree.source(node)} if called(node) in OUTPUT | {"write"} else None


def entered(tree: Tree, node: ast.expr, _: str) -> dict[str, str] | None:
    """`self.lock` of `with self.lock:`, which exists before."""
    item = tree.parents.get(node)
    inside = (
        isinstance(item, ast.withitem) and node is item.context_expr and isinstance(node, (ast.Name, ast.Attribute))
    )
    return {"entered": tree.source(node)} if inside else None


def _calls(node: ast.expr) -> bool:
    return any(isinstance(one, ast.Call) for one in ast.walk(node))


def _has_tensors(tree: Tree, node: ast.AST) -> bool:
    for one in ast.walk(node):
        if not isinstance(one, (ast.Name, ast.Attribute)) or not is_tensor(tree, one):
            continue
        around = tree.parents.get(one)
        if not (isinstance(around, ast.Attribute) and around.attr in _ABOUT):
            return True
    return False
