"""A number in a text that only a print or a log gets: then the statement stays out of the compiled code."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from compile_doctor.source.assigned import values_of
from compile_doctor.source.conversion import decisions
from compile_doctor.source.rewriting import rewritten
from compile_doctor.source.trees import called
from compile_doctor.source.vocabulary import OUTPUT

if TYPE_CHECKING:
    from compile_doctor.source.conversion.attempt import Conversion


def shown(attempt: Conversion, node: ast.AST) -> bool:
    """A text that only a print or a log gets: then the whole statement stays out of the compiled code."""
    if attempt.symbol:
        return False
    check = attempt.tree.around(node, ast.stmt)
    if isinstance(check, ast.Assert) and isinstance(node, (ast.JoinedStr, ast.FormattedValue)):
        return decisions.tested(attempt, check.test)  # its message becomes a plain text
    while not isinstance(parent := attempt.tree.parents.get(node), (ast.stmt, type(None))):
        if isinstance(node, ast.Call) and called(node) in OUTPUT:
            return False
        calls = isinstance(parent, ast.Call) and called(parent) not in {*OUTPUT, "str", "format", "repr", "round"}
        if calls or isinstance(parent, (ast.Subscript, ast.Attribute, ast.Dict, ast.IfExp, ast.Compare)):
            outer = attempt.tree.parents.get(parent) if parent is not None else None
            if not (isinstance(parent, ast.Attribute) and parent.attr == "format" and isinstance(outer, ast.Call)):
                return False
        node = parent
    if isinstance(parent, ast.Assign) and len(parent.targets) == 1 and isinstance(parent.targets[0], ast.Name):
        target = parent.targets[0]
        loads = [
            one
            for one in ast.walk(attempt.tree.scope(target))
            if isinstance(one, ast.Name) and one.id == target.id and isinstance(one.ctx, ast.Load)
        ]
        if not loads or len(values_of(attempt.tree, target)) != 1 or not all(shown(attempt, one) for one in loads):
            return False
    elif not isinstance(parent, ast.Expr) or not isinstance(node, ast.Call) or called(node) not in OUTPUT:
        return False
    assert isinstance(parent, ast.stmt)
    attempt.edits[parent] = f"if not torch.compiler.is_compiling():\n    {rewritten(attempt.tree, parent, {})}"
    return True
