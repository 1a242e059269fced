"""A number that leaves the compiled function, by `return` or in a container."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from compile_doctor.source.assigned import values_of
from compile_doctor.source.conversion import reads
from compile_doctor.source.rewriting import rewritten
from compile_doctor.source.trees import Tree, called

if TYPE_CHECKING:
    from compile_doctor.source.conversion.attempt import Conversion


def returned(attempt: Conversion, parent: ast.Return, *, inside: bool) -> bool:
    """Out of the compiled function a tensor is as good; a function of the file has callers that can be followed."""
    function = attempt.tree.scope(parent)
    name = getattr(function, "name", "")
    calls = [one for one in ast.walk(attempt.tree.root) if isinstance(one, ast.Call) and called(one) == name]
    if calls:
        return not inside and all(attempt.value(call) for call in calls)
    passed = (one for one in ast.walk(attempt.tree.root) if isinstance(one, (ast.Name, ast.Attribute)))
    if any(isinstance(one.ctx, ast.Load) and reads.last_name(one) == name for one in passed) and name != "forward":
        return False
    return leave(attempt, parent, "" if attempt.unsure else "and .item() in the caller")


def collected(attempt: Conversion, parent: ast.Dict) -> bool:
    around = attempt.tree.parents.get(parent)
    if isinstance(around, ast.Return):
        return returned(attempt, around, inside=True)
    if not isinstance(around, ast.Assign) or not isinstance(around.targets[0], ast.Name):
        return False
    target = around.targets[0]
    loads = [
        one
        for one in ast.walk(attempt.tree.scope(target))
        if isinstance(one, ast.Name) and one.id == target.id and isinstance(one.ctx, ast.Load)
    ]
    for one in loads:
        leaves = attempt.tree.parents.get(one)
        leaves = attempt.tree.parents.get(leaves) if isinstance(leaves, ast.Tuple) else leaves
        if not isinstance(leaves, ast.Return) or not returned(attempt, leaves, inside=True):
            return False
    return bool(loads)


def kept(attempt: Conversion, call: ast.Call, container: ast.expr) -> bool:
    """`seen.append(n)`, of a list that the function makes and nothing reads: one that is kept has a graph for each length."""
    name = reads.last_name(container)
    if not isinstance(container, ast.Name) or isinstance(attempt.tree.scope(container), ast.Module):
        return False
    if not any(attempt.tree.scope(one) is attempt.tree.scope(container) for one in values_of(attempt.tree, container)):
        return False
    loads = [
        one
        for one in ast.walk(attempt.tree.root)
        if isinstance(one, (ast.Name, ast.Attribute)) and reads.last_name(one) == name and isinstance(one.ctx, ast.Load)
    ]
    if not name or any(not _is_append(attempt.tree, one) for one in loads):
        return False
    return isinstance(attempt.tree.parents.get(call), ast.Expr) and leave(
        attempt, call, f"{rewritten(attempt.tree, container, {})} has tensors then; .item() where they are read"
    )


def leave(attempt: Conversion, node: ast.AST, note: str) -> bool:
    attempt.note(node, note)
    attempt.copy |= not attempt.unsure
    attempt.calculates = True
    return True


def _is_append(tree: Tree, node: ast.expr) -> bool:
    parent = tree.parents.get(node)
    return isinstance(parent, ast.Attribute) and parent.attr in ("append", "clear")
