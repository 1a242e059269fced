"""What a mask selects, under a name that only sums and means read: all of it, in which the rest does not count."""

from __future__ import annotations

import ast

from compile_doctor.source.assigned import values_of
from compile_doctor.source.rewriting import changed_lines
from compile_doctor.source.trees import Tree, called


def named(tree: Tree, node: ast.Subscript, plain: str, count: str, *, rows: bool) -> dict[str, str]:
    """`masked`: the statement `fg = x[mask]` and those that reduce `fg`. `plain`: the mask in the shape of `x`."""
    statement = tree.parents.get(node)
    target = statement.targets[0] if isinstance(statement, ast.Assign) and len(statement.targets) == 1 else None
    if not isinstance(statement, ast.Assign) or not isinstance(target, ast.Name) or len(values_of(tree, target)) != 1:
        return {}
    edits: dict[ast.AST, str] = {node: f"torch.where({plain}, {tree.source(node.value)}, 0)"}
    loads = [
        one
        for one in ast.walk(tree.scope(statement))
        if isinstance(one, ast.Name) and one.id == target.id and isinstance(one.ctx, ast.Load)
    ]
    for one in loads:
        method = tree.parents.get(one)
        call = tree.parents.get(method) if isinstance(method, ast.Attribute) else None
        if not isinstance(call, ast.Call) or call.func is not method or called(call) not in ("sum", "mean"):
            return {}
        over_rows = [tree.source(part) for part in call.args] == ["0"] and not call.keywords
        over_all = not call.args and not call.keywords
        if not (over_rows or over_all) or (called(call) == "mean" and over_all == rows):
            return {}
        if called(call) == "mean":
            alone = isinstance(tree.parents.get(call), (ast.stmt, ast.keyword, ast.Call))
            written = f"{target.id}.sum({'0' if over_rows else ''}) / {count}"
            edits[call] = written if alone else f"({written})"
    return {"masked": "\n".join(changed_lines(tree, statement, edits, {}))} if loads else {}
