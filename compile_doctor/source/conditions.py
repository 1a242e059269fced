"""A decision of Python, written so that the device makes it; only if it is sure to decide the same."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping

from compile_doctor.source.assigned import values_of
from compile_doctor.source.trees import Tree, called
from compile_doctor.source.values import elements, is_truth, kind_of
from compile_doctor.source.vocabulary import MASK, OF_PYTHON, OUTPUT, TENSOR

Text = Callable[[ast.AST], str]


def is_one(node: ast.AST) -> bool:
    """Whether an operator or a dot behind the expression takes all of it."""
    return isinstance(node, (ast.Name, ast.Attribute, ast.Call, ast.Subscript))


def on_device(tree: Tree, test: ast.expr, text: Text) -> str:
    """The condition as a tensor of truth values; empty if it cannot be one, or might decide otherwise."""
    if isinstance(test, ast.BoolOp):
        parts = [on_device(tree, one, text) if is_truth(tree, one) or _is_logic(one) else "" for one in test.values]
        if not all(parts) or any(_guards(one) for one in test.values[:-1]):
            return ""
        mark = " & " if isinstance(test.op, ast.And) else " | "
        return mark.join(part if is_one(one) else f"({part})" for part, one in zip(parts, test.values, strict=True))
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        if isinstance(test.operand, ast.UnaryOp) and isinstance(test.operand.op, ast.Not):
            return on_device(tree, test.operand.operand, text)
        inside = on_device(tree, test.operand, text)
        return (
            f"~{inside}"
            if inside and is_one(test.operand) and " != 0" not in inside
            else f"~({inside})"
            if inside
            else ""
        )
    if isinstance(test, ast.Compare):
        return _compared(test, text)
    if isinstance(test, ast.Call) and isinstance(test.func, ast.Name):
        if test.func.id == "bool" and len(test.args) == 1:
            return on_device(tree, test.args[0], text)
        if test.func.id in OF_PYTHON:
            return _of_several(tree, test, text)
    if isinstance(test, (ast.Constant, ast.IfExp, ast.Lambda, ast.JoinedStr, ast.List, ast.Tuple, ast.NamedExpr)):
        return ""
    found = text(test)
    return found if is_truth(tree, test) else f"{found if is_one(test) else f'({found})'} != 0"


def _of_several(tree: Tree, test: ast.Call, text: Text) -> str:
    """`any(flags)` and `all(flags)` of a list of 0-d tensors."""
    name = called(test)
    if name not in ("any", "all") or len(test.args) != 1:
        return ""
    given = test.args[0]
    kinds = {kind_of(tree, one) for one in elements(tree, given)}
    if not kinds or not kinds <= {TENSOR, MASK}:
        return ""
    inside = text(given)
    if isinstance(given, ast.GeneratorExp):
        inside = f"[{inside[1:-1] if inside.startswith('(') and inside.endswith(')') else inside}]"
    listed = [isinstance(one, (ast.List, ast.ListComp)) for one in values_of(tree, given)]
    plain = inside.startswith("[") or (listed and all(listed))
    return f"torch.stack({inside if plain else f'list({inside})'}).{name}()"


def _compared(test: ast.Compare, text: Text) -> str:
    """`a < b < c` as two comparisons, `t in (1, 2)` as one for each."""
    values = [test.left, *test.comparators]
    parts = []
    for left, sign, right in zip(values, test.ops, values[1:], strict=False):
        if isinstance(sign, (ast.Is, ast.IsNot)):
            return ""
        if isinstance(sign, (ast.In, ast.NotIn)):
            known = isinstance(right, (ast.Tuple, ast.List, ast.Set)) and len(values) == 2
            if not known or not right.elts or not all(_is_number(one) for one in right.elts):  # type: ignore[attr-defined]
                return ""
            inside = text(left) if is_one(left) else f"({text(left)})"
            found = " | ".join(f"({inside} == {text(one)})" for one in right.elts)  # type: ignore[attr-defined]
            return found if isinstance(sign, ast.In) else f"~({found})"
        parts.append(f"{text(left)} {_SIGNS[type(sign)]} {text(right)}")
    return parts[0] if len(parts) == 1 else " & ".join(f"({part})" for part in parts)


_SIGNS: Mapping[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}


def _is_logic(node: ast.expr) -> bool:
    return isinstance(node, ast.BoolOp) or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not))


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, (int, float))


def _guards(node: ast.expr) -> bool:
    """Whether a part may decide if the next one can be computed at all: `x.numel() > 0 and …`."""
    for one in ast.walk(node):
        if isinstance(one, ast.Attribute) and one.attr in ("shape", "numel", "ndim", "size", "dim"):
            return True
        if isinstance(one, ast.Call) and isinstance(one.func, ast.Name) and one.func.id in OF_PYTHON:
            return True
    return False


def message(tree: Tree, statement: ast.Assert) -> str:
    """The message of an assert, if it is a plain text."""
    given = statement.msg
    plain = isinstance(given, ast.Constant) and isinstance(given.value, str)
    return tree.source(given) if given is not None and plain else '"the check failed"'


def raised(tree: Tree, statement: ast.If, first: ast.Raise, condition: str) -> tuple[str, str] | None:
    """The check in the place of an `if` that raises, and what has to be known."""
    call = first.exc
    given = call.args[0] if isinstance(call, ast.Call) and call.args else None
    plain = isinstance(given, ast.Constant) and isinstance(given.value, str)
    words = tree.source(given) if given is not None and plain else '"the check failed"'
    if tree.around(statement, ast.Try) is not None:
        return None
    kept = condition[1:] if condition.startswith("~") and is_not_of_one(condition) else f"~({condition})"
    return f"torch._assert_async({kept}, {words})", "a RuntimeError, from the device"


def is_not_of_one(condition: str) -> bool:
    """Whether a text is `~` and one expression that it applies to."""
    try:
        return isinstance(ast.parse(condition, mode="eval").body, ast.UnaryOp)
    except SyntaxError:
        return False


def is_elif(tree: Tree, statement: ast.If) -> bool:
    """Whether it is the `elif` of another `if`."""
    parent = tree.parents.get(statement)
    return isinstance(parent, ast.If) and statement in parent.orelse


def is_bound_before(tree: Tree, statement: ast.stmt, name: str) -> bool:
    """Whether a name has a value before a statement."""
    function = tree.scope(statement)
    arguments = getattr(function, "args", None)
    given = any(isinstance(one, ast.arg) and one.arg == name for one in ast.walk(arguments)) if arguments else False
    names = (one for one in ast.walk(function) if isinstance(one, ast.Name) and one.id == name)
    return given or any(isinstance(one.ctx, ast.Store) and one.lineno < statement.lineno for one in names)


def following(tree: Tree, statement: ast.stmt) -> ast.stmt | None:
    """The statement after another one, in the same block."""
    body = getattr(tree.parents[statement], "body", [])
    after = body[body.index(statement) + 1 :] if statement in body else []
    return after[0] if after else None


def is_message(statement: ast.stmt) -> bool:
    """Whether a statement only prints or logs."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(call, ast.Call) and called(call) in OUTPUT
