"""A number in arithmetic."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from compile_doctor.source.conversion import texts
from compile_doctor.source.values import is_tensor, kind_of
from compile_doctor.source.vocabulary import DICT, OPERATORS, SEQUENCE, TEXT

if TYPE_CHECKING:
    from compile_doctor.source.conversion.attempt import Conversion


def operand(attempt: Conversion, parent: ast.BinOp, node: ast.expr) -> bool:
    attempt.calculates = True
    other = parent.right if node is parent.left else parent.left
    kind = kind_of(attempt.tree, other)
    if not isinstance(parent.op, OPERATORS) or kind in (SEQUENCE, DICT):
        return False
    if (
        isinstance(parent.op, ast.Pow)
        and not _is_safe_power(parent, other, node)
        and not is_tensor(attempt.tree, other)
    ):
        return False  # of Python's integers 10 ** -1 is a fraction, of integer tensors it is 0 or an error
    if kind == TEXT:
        return texts.shown(attempt, parent)
    attempt.unsure |= not kind and not is_tensor(attempt.tree, other)
    return is_tensor(attempt.tree, other) or attempt.value(parent)


def _is_safe_power(power: ast.BinOp, other: ast.expr, node: ast.expr) -> bool:
    """A number to a constant power that is not negative, or a constant float to a number."""
    if not isinstance(other, ast.Constant) or not isinstance(other.value, (int, float)):
        return False
    return other.value >= 0 if power.left is node else isinstance(other.value, float)
