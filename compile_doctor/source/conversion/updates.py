"""What a statement would give a name, for the cases in which the device may keep what the name had before."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from compile_doctor.source import conditions
from compile_doctor.source.assigned import values_of
from compile_doctor.source.conversion import sides
from compile_doctor.source.values import is_fresh, kind_of
from compile_doctor.source.vocabulary import NUMBER, OPERATORS, SIGNS

if TYPE_CHECKING:
    from compile_doctor.source.conversion.attempt import Conversion


def after(attempt: Conversion, statement: ast.Assign | ast.AugAssign, target: ast.Name) -> sides.Value | None:
    """The value behind `y = …` or `y += …`; None for a tensor in place whose memory something else may have."""
    text = attempt.whole(statement.value)
    if isinstance(statement, ast.Assign):
        found = sides.seen(attempt, statement.value)
        # the name's own shape is no measure in a loop: it may come from this statement
        return sides.Value(text, found, frozenset()) if found.shape is not None or found.keeps_shape else None
    if not isinstance(statement.op, OPERATORS) or not is_own(attempt, target):
        return None
    operand = text if conditions.is_one(statement.value) or isinstance(statement.value, ast.Constant) else f"({text})"
    seen = sides.calculated(attempt, target, statement.value)
    return sides.Value(f"{target.id} {SIGNS[type(statement.op)]} {operand}", seen, frozenset())


def is_own(attempt: Conversion, name: ast.Name) -> bool:
    """Whether a name stands for a number, or for a tensor that the function made itself and that has no other name."""
    values = values_of(attempt.tree, name)
    fresh = bool(values) and all(is_fresh(value) for value in values) and not attempt.tree.is_parameter(name)
    aliased = any(
        isinstance(one, ast.Assign) and isinstance(one.value, ast.Name) and one.value.id == name.id
        for one in ast.walk(attempt.tree.scope(name))
    )
    return kind_of(attempt.tree, name) == NUMBER or (fresh and not aliased)
