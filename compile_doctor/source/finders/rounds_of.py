"""A loop through the positions that `nonzero` found: through all positions instead, if the others change nothing."""

from __future__ import annotations

import ast

from compile_doctor.source.assigned import values_of
from compile_doctor.source.trees import Tree, called

_SAME_POSITIONS = frozenset({"squeeze", "flatten", "view", "reshape"})


def gone_through(tree: Tree, node: ast.expr, _: str) -> dict[str, str] | None:
    """`every`: `hit = range(t.shape[0])` for `hit = t.nonzero().flatten()`, if only loops read `hit`."""
    if not isinstance(node, ast.Call) or called(node) != "nonzero" or not isinstance(node.func, ast.Attribute):
        return None
    last: ast.expr = node
    while isinstance(method := tree.parents.get(last), ast.Attribute) and method.attr in _SAME_POSITIONS:
        call = tree.parents.get(method)
        if not isinstance(call, ast.Call):
            return None
        last = call
    if last is node:
        return None  # rows of positions, not numbers
    statement = tree.parents.get(last)
    target = statement.targets[0] if isinstance(statement, ast.Assign) and len(statement.targets) == 1 else None
    if not isinstance(statement, ast.Assign) or not isinstance(target, ast.Name) or len(values_of(tree, target)) != 1:
        return None
    loops = [
        tree.parents.get(one)
        for one in ast.walk(tree.scope(statement))
        if isinstance(one, ast.Name) and one.id == target.id and isinstance(one.ctx, ast.Load)
    ]
    if not loops or not all(isinstance(one, ast.For) and _takes_ints(tree, one) for one in loops):
        return None
    return {"every": f"{target.id} = range({tree.source(node.func.value)}.shape[0])", "positions": target.id}


def _takes_ints(tree: Tree, loop: ast.For) -> bool:
    """Whether nothing needs the position as a tensor."""
    if not isinstance(loop.target, ast.Name):
        return False
    names = (one for one in ast.walk(loop) if isinstance(one, ast.Name) and one.id == loop.target.id)
    return not any(isinstance(tree.parents.get(one), (ast.Attribute, ast.Call, ast.keyword, ast.List)) for one in names)
