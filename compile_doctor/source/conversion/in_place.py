"""An `if` on a tensor that only writes into tensors: each is written always, with its old value in the other case."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from compile_doctor.source.conversion import sides
from compile_doctor.source.value_uses import called
from compile_doctor.source.values import is_tensor

if TYPE_CHECKING:
    from compile_doctor.source.conversion.attempt import Conversion


def written(attempt: Conversion, statement: ast.If, condition: str) -> str:
    """`t.copy_(v)` as `t.copy_(torch.where(condition, v, t))`, for `copy_` and `fill_`; empty if it does anything else."""
    lines = []
    for one in statement.body:
        call = one.value if isinstance(one, ast.Expr) else None
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute) or len(call.args) != 1:
            return ""
        target, value = call.func.value, call.args[0]
        plain = isinstance(target, (ast.Name, ast.Attribute)) and is_tensor(attempt.tree, target)
        if called(call) not in ("copy_", "fill_") or call.keywords or not plain:
            return ""
        if not (sides.is_value(attempt.tree, value) or isinstance(value, ast.Constant)):
            return ""
        name = attempt.text(target)
        lines.append(f"{name}.copy_(torch.where(condition, {attempt.text(value)}, {name}))")
    if statement.orelse or not lines:
        return ""
    reads = {attempt.text(one) for one in ast.walk(statement.test) if isinstance(one, (ast.Name, ast.Attribute))}
    early = any(line.partition(".copy_(")[0] in reads for line in lines[:-1])
    if len(lines) > 1 or early:
        return "\n".join([f"chosen = {condition}", *(line.replace("condition,", "chosen,", 1) for line in lines)])
    return lines[0].replace("condition,", f"{condition},", 1)
