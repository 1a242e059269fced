"""A decision of Python, written so that the device makes it; only if it is sure to decide the same."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping

from compile_doctor.source.value_uses import Tree, called
from compile_doctor.source.values import is_truth, kind_of
from compile_doctor.source.vocabulary import BOOL, MASK, NUMBER, OF_PYTHON, RESHAPING, TENSOR

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
            return ""
    if isinstance(test, (ast.Constant, ast.IfExp, ast.Lambda, ast.JoinedStr, ast.List, ast.Tuple, ast.NamedExpr)):
        return ""
    found = text(test)
    return found if is_truth(tree, test) else f"{found if is_one(test) else f'({found})'} != 0"


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


def are_values(tree: Tree, *nodes: ast.expr) -> bool:
    """Whether torch.where takes each of them, as far as the source shows: numbers and tensors of one shape."""
    if not all(_is_value(tree, node) for node in nodes):
        return False
    shaped = [node for node in nodes if kind_of(tree, node) not in (NUMBER, BOOL)]
    return len(shaped) < 2 or len({_keeps_shape(tree, node) for node in shaped}) == 1


def _is_value(tree: Tree, node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, (int, float))
    if any(isinstance(one, (ast.Yield, ast.Await, ast.NamedExpr, ast.Lambda)) for one in ast.walk(node)):
        return False
    calls = [one for one in ast.walk(node) if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute)]
    if any(called(one).endswith("_") or called(one) in ("append", "pop", "item", "tolist", "update") for one in calls):
        return False
    return kind_of(tree, node) in ("", TENSOR, MASK, NUMBER, BOOL)


def _keeps_shape(tree: Tree, node: ast.expr) -> bool:
    """Whether nothing in the expression visibly makes another shape, outside of the arguments of its calls."""
    if isinstance(node, ast.Call):
        if called(node) in RESHAPING:
            return False
        return _keeps_shape(tree, node.func.value) if isinstance(node.func, ast.Attribute) else True
    if isinstance(node, ast.BinOp):
        scalar = [one for one in (node.left, node.right) if isinstance(one, ast.Constant)]
        sides = [one for one in (node.left, node.right) if one not in scalar]
        return not sides or any(_keeps_shape(tree, one) for one in sides)
    return not isinstance(node, ast.Subscript)


def message(tree: Tree, statement: ast.Assert) -> str:
    """The message of an assert, if it is a plain text."""
    given = statement.msg
    plain = isinstance(given, ast.Constant) and isinstance(given.value, str)
    return tree.source(given) if given is not None and plain else '"the check failed"'


def sides_note(tree: Tree, *sides: ast.expr) -> str:
    """What has to be known about a choice; nothing if it is one of numbers."""
    numbers = all(kind_of(tree, side) in (NUMBER, BOOL) for side in sides)
    if numbers:
        return ""
    # torch.where's backward multiplies what is not chosen by 0: 0 × inf is NaN.
    return "both sides are computed: they need one shape, draw no random numbers, and with gradients are finite both"


def chosen(tree: Tree, statement: ast.If, condition: str, text: Text) -> tuple[str, ast.Name | None, str] | None:
    """The statement that takes the place of an `if`, the name that it gives a value, and what has to be known."""
    body, other = statement.body, statement.orelse
    if len(body) != 1 or len(other) > 1 or _is_elif(tree, statement):
        return None
    first, second = body[0], other[0] if other else None
    if isinstance(first, ast.Raise) and second is None:
        return _raised(tree, statement, first, condition)
    if isinstance(first, ast.Return) and first.value is not None:
        after = second if second is not None else _next(tree, statement)
        if isinstance(after, ast.Return) and after.value is not None and are_values(tree, first.value, after.value):
            sides = f"{text(first.value)}, {text(after.value)}"
            return f"return torch.where({condition}, {sides})", None, sides_note(tree, first.value, after.value)
        return None
    if not isinstance(first, ast.Assign) or len(first.targets) != 1 or not isinstance(first.targets[0], ast.Name):
        return None
    name = first.targets[0]
    if second is None:
        last: ast.expr = name
        if not _is_bound_before(tree, statement, name.id):
            return None
    elif isinstance(second, ast.Assign) and [tree.source(one) for one in second.targets] == [name.id]:
        last = second.value
    else:
        return None
    if not are_values(tree, first.value, last):
        return None
    return (
        f"{name.id} = torch.where({condition}, {text(first.value)}, {text(last)})",
        name,
        sides_note(tree, first.value, last),
    )


def _raised(tree: Tree, statement: ast.If, first: ast.Raise, condition: str) -> tuple[str, None, str] | None:
    call = first.exc
    given = call.args[0] if isinstance(call, ast.Call) and call.args else None
    plain = isinstance(given, ast.Constant) and isinstance(given.value, str)
    words = tree.source(given) if given is not None and plain else '"the check failed"'
    if tree.around(statement, ast.Try) is not None:
        return None
    kept = condition[1:] if condition.startswith("~") and is_not_of_one(condition) else f"~({condition})"
    return f"torch._assert_async({kept}, {words})", None, "a RuntimeError, from the device"


def is_not_of_one(condition: str) -> bool:
    """Whether a text is `~` and one expression that it applies to."""
    try:
        return isinstance(ast.parse(condition, mode="eval").body, ast.UnaryOp)
    except SyntaxError:
        return False


def _is_elif(tree: Tree, statement: ast.If) -> bool:
    parent = tree.parents.get(statement)
    return isinstance(parent, ast.If) and statement in parent.orelse


def _is_bound_before(tree: Tree, statement: ast.stmt, name: str) -> bool:
    function = tree.scope(statement)
    arguments = getattr(function, "args", None)
    given = any(isinstance(one, ast.arg) and one.arg == name for one in ast.walk(arguments)) if arguments else False
    names = (one for one in ast.walk(function) if isinstance(one, ast.Name) and one.id == name)
    return given or any(isinstance(one.ctx, ast.Store) and one.lineno < statement.lineno for one in names)


def _next(tree: Tree, statement: ast.stmt) -> ast.stmt | None:
    body = getattr(tree.parents[statement], "body", [])
    after = body[body.index(statement) + 1 :] if statement in body else []
    return after[0] if after else None
