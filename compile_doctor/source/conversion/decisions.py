"""A number, or a tensor, by which Python decides: `if`, a conditional expression, an assert."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from compile_doctor.source import conditions
from compile_doctor.source.conversion import names
from compile_doctor.source.value_uses import called
from compile_doctor.source.values import is_tensor

if TYPE_CHECKING:
    from compile_doctor.source.conversion.attempt import Conversion


def tested(attempt: Conversion, node: ast.expr) -> bool:
    """A decision of Python: an `if`, a conditional expression, an assert, a flag."""
    top: ast.expr = node
    while isinstance(parent := attempt.tree.parents.get(top), (ast.Compare, ast.BoolOp, ast.UnaryOp)) or (
        isinstance(parent, ast.Call) and called(parent) == "bool" and isinstance(parent.func, ast.Name)
    ):
        top = parent
    if top in attempt.decided:
        return True
    attempt.decided.add(top)
    condition = conditions.on_device(attempt.tree, top, attempt.text)
    if not condition or (attempt.symbol and not _is_traced_assert(parent)):
        return False
    if isinstance(parent, ast.Assert) and top is parent.test:
        attempt.edits[parent] = f"torch._assert_async({condition}, {conditions.message(attempt.tree, parent)})"
        return True
    if isinstance(parent, ast.IfExp) and top is parent.test:
        if not conditions.are_values(attempt.tree, parent.body, parent.orelse):
            return False
        attempt.edits[parent] = f"torch.where({condition}, {attempt.text(parent.body)}, {attempt.text(parent.orelse)})"
        attempt.note(parent, conditions.sides_note(attempt.tree, parent.body, parent.orelse))
        return is_tensor(attempt.tree, parent) or attempt.value(parent)
    if isinstance(parent, ast.If) and top is parent.test:
        return _branch(attempt, parent, condition)
    if isinstance(parent, (ast.Assign, ast.Return, ast.BinOp)):
        attempt.edits[top] = condition
        return attempt.value(top)
    return False


def _branch(attempt: Conversion, statement: ast.If, condition: str) -> bool:
    chosen = conditions.chosen(attempt.tree, statement, condition, attempt.text)
    if chosen is None:
        return False
    text, target, note = chosen
    attempt.edits[statement] = text
    attempt.note(statement, note)
    return target is None or is_tensor(attempt.tree, target) or names.follow(attempt, target)


def _is_traced_assert(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Assert) and (node.msg is None or isinstance(node.msg, ast.Constant))
