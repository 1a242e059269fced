"""An `if` on a tensor that only writes into tensors: each is written always, with its old value in the other case."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from compile_doctor.source import conditions
from compile_doctor.source.code_of import code_of
from compile_doctor.source.conversion import sides
from compile_doctor.source.trees import called
from compile_doctor.source.values import is_tensor
from compile_doctor.source.vocabulary import OPERATORS, SIGNS

if TYPE_CHECKING:
    from compile_doctor.source.conversion.attempt import Conversion

_METHODS = frozenset({"add_", "sub_", "mul_", "div_", "lerp_", "clamp_", "abs_", "neg_", "clamp_min_", "clamp_max_"})
"""`t.lerp_(a, w)` writes what `t.lerp(a, w)` returns."""


def written(attempt: Conversion, statement: ast.If, condition: str) -> str:
    """`t.copy_(v)` as `t.copy_(torch.where(condition, v, t))`, also with an `else`; empty if a side does anything else."""
    then, other = (_writes(attempt, body) for body in (statement.body, statement.orelse))
    if then is None or other is None or not then:
        return ""
    lines = [
        f"{name}.copy_(torch.where(condition, {then.get(name, name)}, {other.get(name, name)}))"
        for name in {**then, **other}
    ]
    reads = {attempt.text(one) for one in ast.walk(statement.test) if isinstance(one, (ast.Name, ast.Attribute))}
    early = any(line.partition(".copy_(")[0] in reads for line in lines[:-1])
    if len(lines) > 1 or early:
        return "\n".join([f"chosen = {condition}", *(line.replace("condition,", "chosen,", 1) for line in lines)])
    return lines[0].replace("condition,", f"{condition},", 1)


def _writes(attempt: Conversion, body: list[ast.stmt]) -> dict[str, str] | None:
    """What one side writes into each tensor; None if it does anything else, or reads what it has written."""
    found: dict[str, str] = {}
    for one in body:
        pair = _write(attempt, one)
        if pair is None:
            return None
        target, value = pair
        names = {code_of(part) for part in ast.walk(one) if isinstance(part, (ast.Name, ast.Attribute))}
        if names & set(found):
            return None
        found[target] = value
    return found


def _write(attempt: Conversion, statement: ast.stmt) -> tuple[str, str] | None:
    """The tensor that a statement writes into, and the value."""
    if isinstance(statement, ast.AugAssign) and isinstance(statement.op, OPERATORS):
        target, text = statement.target, attempt.text(statement.value)
        grouped = (
            text if conditions.is_one(statement.value) or isinstance(statement.value, ast.Constant) else f"({text})"
        )
        if not isinstance(target, ast.Attribute) or not sides.is_value(attempt.tree, statement.value):
            return None
        name = attempt.text(target)
        return (name, f"{name} {SIGNS[type(statement.op)]} {grouped}") if is_tensor(attempt.tree, target) else None
    call = statement.value if isinstance(statement, ast.Expr) else None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute) or call.keywords:
        return None
    into, values = call.func.value, call.args
    if not isinstance(into, (ast.Name, ast.Attribute)) or not is_tensor(attempt.tree, into):
        return None
    if not all(sides.is_value(attempt.tree, value) or isinstance(value, ast.Constant) for value in values):
        return None
    name, texts = attempt.text(into), [attempt.text(value) for value in values]
    if called(call) in ("copy_", "fill_") and len(texts) == 1:
        return name, texts[0]
    return (name, f"{name}.{called(call)[:-1]}({', '.join(texts)})") if called(call) in _METHODS else None
