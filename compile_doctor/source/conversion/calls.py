"""A number as an argument of a call."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from compile_doctor.source import conditions
from compile_doctor.source.conversion import leaving, own_calls, python_calls, texts
from compile_doctor.source.trees import called
from compile_doctor.source.values import is_tensor
from compile_doctor.source.vocabulary import BOUNDS, OUTPUT, SYMBOLIC, TAKES_A_TENSOR

if TYPE_CHECKING:
    from compile_doctor.source.conversion.attempt import Conversion


def argument(attempt: Conversion, call: ast.Call, node: ast.expr, keyword: str) -> bool:
    name, full = called(call), attempt.tree.names.of(call.func)
    if node is call.func:
        return False
    attempt.calculates |= name != "int" and name not in OUTPUT
    if attempt.symbol and name in SYMBOLIC:
        return True
    if isinstance(call.func, ast.Name) and not attempt.tree.names.bound.get(name):
        return python_calls.builtin(attempt, call, name, node) or own_calls.passed(attempt, call, node, keyword)
    if full.startswith("math."):
        return python_calls.of_math(attempt, call, name)
    if full in ("torch.tensor", "torch.as_tensor") and len(call.args) == 1 and not call.keywords and not attempt.symbol:
        attempt.edits[call] = attempt.text(node)
        attempt.copy = True
        return True
    if name in OUTPUT and not is_tensor(attempt.tree, call):
        return texts.shown(attempt, call)
    if name == "append" and isinstance(call.func, ast.Attribute):
        return leaving.kept(attempt, call, call.func.value)
    if name in TAKES_A_TENSOR and isinstance(call.func, ast.Attribute) and node is not call.func.value:
        return keyword != "out" and _operator(attempt, call, name, full, node)
    return own_calls.passed(attempt, call, node, keyword)


def _operator(attempt: Conversion, call: ast.Call, name: str, full: str, node: ast.expr) -> bool:
    """A call of torch or a method of a tensor, of which a number was an argument: the result is a tensor anyway."""
    if name == "linspace":
        return full == "torch.linspace" and node in call.args[:2]
    if name == "full":
        first = call.args[0] if call.args else None
        return full == "torch.full" and node is not first
    if name not in BOUNDS:
        return True
    given: list[tuple[str, ast.expr]] = [(one.arg or "", one.value) for one in call.keywords]
    positional = list(call.args)
    subject = positional.pop(0) if full.startswith("torch.") and positional else getattr(call.func, "value", None)
    given += list(zip(("min", "max"), positional, strict=False))
    bounds = [(bound, value) for bound, value in given if not _is_none(value)]
    if len(bounds) < 2:
        return True
    if name == "clamp_" or subject is None or node not in [value for _, value in bounds]:
        return False  # a tensor for one bound and a number for the other is refused
    parts = {bound: attempt.text(value) for bound, value in bounds}
    around = attempt.text(subject) if conditions.is_one(subject) else f"({attempt.text(subject)})"
    attempt.edits[call] = f"{around}.clamp(min={parts['min']}).clamp(max={parts['max']})"
    return True


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
