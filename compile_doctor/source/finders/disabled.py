"""Calls of what the file itself keeps out of graphs, by a decorator or by `torch.compiler.disable(f)`."""

from __future__ import annotations

import ast

from compile_doctor.source.rewriting import rewritten
from compile_doctor.source.trees import Tree, called


def disabled(tree: Tree, node: ast.expr, _: str) -> dict[str, str] | None:
    """`made-at`: the line of the file that does it; `without`: that line without it, if anything is left of it."""
    if not isinstance(node, ast.Call):
        return None
    name = called(node)
    for one in ast.walk(tree.root):
        if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)) and one.name == name:
            by = next((each for each in one.decorator_list if _disables(each)), None)
            if by is not None:
                return {"disabled": name, "made-at": str(by.lineno), "by": f"@{tree.source(by)}"}
        if not isinstance(one, ast.Assign) or name not in map(_last, one.targets):
            continue
        made = one.value
        if isinstance(made, ast.Call) and made.args and _disables(made):
            found = {"disabled": name, "made-at": str(made.lineno), "by": tree.source(made)}
            if tree.source(made.args[0]) in map(tree.source, one.targets):
                return found  # `f = torch.compiler.disable(f)`: without it, nothing is left of the line
            return {**found, "without": rewritten(tree, one, {made: tree.source(made.args[0])})}
    return None


def _disables(node: ast.expr) -> bool:
    call = node.func if isinstance(node, ast.Call) else node
    return _last(call) == "disable"


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
