"""A number as an argument of Python's builtins and of `math`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from compile_doctor.source import conditions
from compile_doctor.source.conversion import decisions, texts
from compile_doctor.source.values import is_tensor
from compile_doctor.source.vocabulary import IN_TORCH, WHOLE_IN_TORCH

if TYPE_CHECKING:
    from compile_doctor.source.conversion.attempt import Conversion


def builtin(attempt: Conversion, call: ast.Call, name: str, node: ast.expr) -> bool:
    text = attempt.text(call.args[0]) if call.args else ""
    inside = text if call.args and conditions.is_one(call.args[0]) else f"({text})"
    if name in ("print", "str", "repr", "format"):
        return texts.shown(attempt, call)
    if call.keywords or not call.args:
        return False
    if name in ("max", "min"):
        return len(call.args) > 1 and (_has_tensor(attempt, call, node) or attempt.value(call))
    if name == "bool":
        return decisions.tested(attempt, node)
    if name == "pow" and len(call.args) == 2:
        base, power = (attempt.text(one) for one in call.args)
        attempt.edits[call] = f"(({base}) ** ({power}))"
        if _has_tensor(attempt, call, node):
            return True
    elif name == "round" and len(call.args) == 2 and isinstance(call.args[1], ast.Constant):
        attempt.edits[call] = f"torch.round({text}, decimals={attempt.text(call.args[1])})"
    elif name in ("int", "float", "round") and len(call.args) == 1:
        written = {"int": f"{inside}.long()", "float": text, "round": f"torch.round({text}).long()"}
        attempt.edits[call] = written[name]
    elif name != "abs":
        return False
    return attempt.value(call)


def of_math(attempt: Conversion, call: ast.Call, name: str) -> bool:
    given = [attempt.text(one) for one in call.args]
    if name == "pow" and len(given) == 2:
        attempt.edits[call] = f"(({given[0]}) ** ({given[1]}))"
    elif (len(given) == 1 and name in IN_TORCH) or (len(given) == 1 and name in ("isnan", "isinf", "isfinite")):
        attempt.edits[call] = f"torch.{name}({given[0]})"
    elif len(given) == 1 and name in WHOLE_IN_TORCH:
        attempt.edits[call] = f"torch.{name}({given[0]}).long()"
    else:
        return False
    return attempt.value(call)


def _has_tensor(attempt: Conversion, call: ast.Call, node: ast.expr) -> bool:
    """Whether another argument was a tensor before, and so was the result."""
    return any(is_tensor(attempt.tree, one) for one in call.args if one is not node)
