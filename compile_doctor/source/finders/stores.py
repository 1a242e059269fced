"""Attributes and entries of the line: `y.data = z`, `os.environ["A"] = "1"`, `helper.calls += 1`, `y.grad_fn`."""

from __future__ import annotations

import ast

from compile_doctor.source.trees import Tree


def data(tree: Tree, node: ast.expr, _: str) -> dict[str, str] | None:
    """The tensor of which the data is replaced, and by what; `owner-name` if it has a name of its own."""
    statement = tree.parents.get(node)
    if not isinstance(node, ast.Attribute) or node.attr != "data" or not isinstance(statement, ast.Assign):
        return None
    if node not in statement.targets:
        return None
    words = {"owner": tree.source(node.value), "value": tree.source(statement.value)}
    return {**words, "owner-name": words["owner"]} if isinstance(node.value, ast.Name) else words


def item(tree: Tree, node: ast.expr, _: str) -> dict[str, str] | None:
    """An entry of a container."""
    if not isinstance(node, ast.Subscript) or isinstance(node.ctx, ast.Load):
        return None
    return {"container": tree.source(node.value)}


def attribute(tree: Tree, node: ast.expr, _: str) -> dict[str, str] | None:
    """An attribute of an object."""
    if not isinstance(node, ast.Attribute) or not isinstance(node.ctx, ast.Store):
        return None
    return {"owner": tree.source(node.value), "attribute": node.attr}


def grad_fn(tree: Tree, node: ast.expr, _: str) -> dict[str, str] | None:
    """`y.grad_fn is not None`."""
    if not isinstance(node, ast.Compare) or not isinstance(node.left, ast.Attribute) or node.left.attr != "grad_fn":
        return None
    return (
        {"owner": tree.source(node.left.value), "test": tree.source(node)}
        if isinstance(node.ops[0], ast.IsNot)
        else None
    )
