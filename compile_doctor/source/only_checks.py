"""Whether a function only checks something: it returns nothing and changes nothing, it raises or it does not."""

from __future__ import annotations

import ast

from compile_doctor.source.names import dotted
from compile_doctor.source.trees import FUNCTIONS, Tree, called, expressions_of

_IN_PLACE = frozenset(
    [
        "append",
        "extend",
        "add",
        "update",
        "setdefault",
        "insert",
        "pop",
        "remove",
        "clear",
        "sort",
        "write",
        "put",
        "set_",
        "copy_",
        "fill_",
        "zero_",
        "detach_",
        "requires_grad_",
        "setattr",
        "print",
    ]
)


def only_checks(tree: Tree, line: int) -> ast.FunctionDef | None:
    """The function around a line, if it is such a function; it has a `raise` or an `assert`."""
    statement = tree.statement(line)
    function = tree.around(statement, FUNCTIONS) if statement else None
    if not isinstance(function, ast.FunctionDef):
        return None
    return function if _checks(tree, function, ()) else None


def _checks(tree: Tree, function: ast.FunctionDef, above: tuple[ast.FunctionDef, ...]) -> bool:
    """A call that stands alone is made for what it does: `image.set_data(x)`. It may be another such function of the file."""
    inside = [node for one in function.body for node in ast.walk(one)]
    taken = {one.arg for one in ast.walk(function.args) if isinstance(one, ast.arg)}
    if not any(isinstance(node, (ast.Raise, ast.Assert)) for node in inside) or function in above:
        return False
    if any(_does_more(node, taken) for node in inside):
        return False
    alone = [node.value for node in inside if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)]
    return all(_only_tells(tree, call) or _is_check(tree, call, (*above, function)) for call in alone)


def _only_tells(tree: Tree, call: ast.Call) -> bool:
    name = tree.names.of(call.func)
    return name == "warnings.warn" or name.startswith(("torch._assert", "torch._check"))


def _is_check(tree: Tree, call: ast.Call, above: tuple[ast.FunctionDef, ...]) -> bool:
    defined = [one for one in ast.walk(tree.root) if isinstance(one, ast.FunctionDef) and one.name == called(call)]
    return len(defined) == 1 and _checks(tree, defined[0], above)


def is_left_alone(tree: Tree, line: int, name: str) -> str:
    """The function as the statement at a line calls it, if nothing is done with what it returns: `self._check`; else empty."""
    statement = tree.statement(line)
    calls = (
        [one for one in expressions_of(statement) if isinstance(one, ast.Call) and called(one) == name]
        if statement
        else []
    )
    alone = isinstance(statement, ast.Expr) and len(calls) == 1 and statement.value is calls[0]
    return dotted(calls[0].func) if alone else ""


def _does_more(node: ast.AST, taken: set[str]) -> bool:
    """`taken`: the function's parameters; `x += 1` changes a tensor that was passed in."""
    if isinstance(node, ast.Return):
        return node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is None)
    if isinstance(node, (ast.Yield, ast.YieldFrom, ast.Await, ast.Global, ast.Nonlocal, ast.Delete)):
        return True
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name) and node.target.id in taken:
        return True
    if isinstance(node, (ast.Attribute, ast.Subscript)):
        return isinstance(node.ctx, ast.Store)
    if isinstance(node, ast.Call):
        name = called(node)
        return name in _IN_PLACE or (name.endswith("_") and not name.startswith("_"))
    return False
