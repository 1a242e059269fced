"""The conditions that Python decides at a line, and the words to decide them on the device."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from compile_doctor.source.value_uses import Tree, values_of


def branches(tree: Tree, statement: ast.stmt, nodes: list[ast.expr]) -> Iterator[tuple[str, dict[str, str]]]:
    """The conditions that Python decides at this line, with what each side does."""
    words = {"line": tree.head(statement)}
    if isinstance(statement, ast.Assert):
        words |= _test(tree, statement.test)
        message = statement.msg
        plain = isinstance(message, ast.Constant) and isinstance(message.value, str)
        words["message"] = tree.source(message) if message is not None and plain else '"the check failed"'
        yield ("assert", words)
    elif isinstance(statement, ast.While):
        yield ("while", {**words, **_test(tree, statement.test)})
    elif isinstance(statement, ast.If):
        yield _sides(tree, statement, words)
    words.pop("read", None)
    for node in sorted(nodes, key=lambda node: isinstance(node, ast.BoolOp)):
        if isinstance(node, ast.IfExp) and _is_plain(node.test) and _is_value(node.body, node.orelse):
            sides = {"then": tree.source(node.body), "else": tree.source(node.orelse), **_test(tree, node.test)}
            chosen = f"torch.where({sides['test']}, {sides['then']}, {sides['else']})"
            sides["chosen"] = words["line"].replace(tree.source(node), chosen)
            yield ("choice", words | sides)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield ("logic", {**words, **_test(tree, node.operand)})
        elif isinstance(node, ast.BoolOp):
            yield ("logic", {**words, **_test(tree, node)})
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "bool":
            yield ("logic", {**words, "test": tree.source(node.args[0]) if node.args else ""})


def _test(tree: Tree, test: ast.expr) -> dict[str, str]:
    """The condition, and (`read`) whether it reads a number: then the same on tensors."""
    text = tree.source(test)
    plain = _on_tensors(tree, test).replace(".item()", "")
    parts = [one for value in _behind(tree, test) for one in ast.walk(value)]
    shape = next((tree.source(one) for one in parts if isinstance(one, ast.Attribute) and one.attr == "shape"), "")
    numpy = any(isinstance(one, ast.Call) and tree.names.of(one.func).startswith("numpy.") for one in parts)
    known = {"read": plain if ".item()" in text else "", "shape": shape, "numpy": "yes" if numpy else ""}
    return {"test": plain, **{name: word for name, word in known.items() if word}}


def _on_tensors(tree: Tree, test: ast.expr) -> str:
    """The condition with `&`, `|` and `~` for `and`, `or` and `not`, as tensors need it."""
    if isinstance(test, ast.BoolOp):
        mark = " & " if isinstance(test.op, ast.And) else " | "
        return mark.join(grouped(_on_tensors(tree, one), one) for one in test.values)
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return f"~{grouped(_on_tensors(tree, test.operand), test.operand)}"
    if isinstance(test, ast.Call) and isinstance(test.func, ast.Name) and test.func.id == "bool" and test.args:
        return _on_tensors(tree, test.args[0])
    return tree.source(test)


def grouped(text: str, node: ast.expr) -> str:
    """The text of an expression, in parentheses if an operator or a dot behind it would take a part of it."""
    return text if isinstance(node, (ast.Name, ast.Attribute, ast.Call, ast.Subscript)) else f"({text})"


def _is_value(*nodes: ast.expr) -> bool:
    """Whether torch.where may take each of them: no text, no tuple, no None."""
    return all(
        not isinstance(node, (ast.Tuple, ast.List, ast.Dict, ast.Set, ast.JoinedStr, ast.Lambda))
        and not (isinstance(node, ast.Constant) and not isinstance(node.value, (int, float)))
        for node in nodes
    )


def _is_plain(test: ast.expr) -> bool:
    """Whether a condition is about values only; `mask is not None and …` decides whether a value exists."""
    return not any(isinstance(one, (ast.Is, ast.IsNot, ast.In, ast.NotIn)) for one in ast.walk(test))


def _behind(tree: Tree, node: ast.expr) -> Iterator[ast.expr]:
    """An expression, and what was assigned to the names in it."""
    yield node
    for one in ast.walk(node):
        if isinstance(one, ast.Name):
            yield from values_of(tree, one)


def _sides(tree: Tree, statement: ast.If, words: dict[str, str]) -> tuple[str, dict[str, str]]:
    """`if c: x = a` (and `else: x = b`), `if c: return a` and `return b`, `if c: raise`; else only the test."""
    words = {**words, **_test(tree, statement.test)}
    body, other = statement.body, statement.orelse
    if len(body) != 1 or len(other) > 1 or not _is_plain(statement.test):
        return "branch", words
    first = body[0]
    if isinstance(first, ast.Raise) and not other:
        return "raise", {**words, "raised": tree.source(first)}
    if isinstance(first, ast.Return) and first.value is not None:
        after = other[0] if other else _next(tree, statement)
        if isinstance(after, ast.Return) and after.value is not None and _is_value(first.value, after.value):
            return "return", words | {"then": tree.source(first.value), "else": tree.source(after.value)}
    if (
        isinstance(first, ast.Assign)
        and len(first.targets) == 1
        and isinstance(first.targets[0], ast.Name)
        and _is_value(first.value)
    ):
        name = first.targets[0].id
        second = other[0] if other else None
        if second is None:
            return "assign", words | {"name": name, "then": tree.source(first.value), "else": name}
        if isinstance(second, ast.Assign) and tree.source(second.targets[0]) == name and _is_value(second.value):
            return "assign", words | {"name": name, "then": tree.source(first.value), "else": tree.source(second.value)}
    return "branch", words


def _next(tree: Tree, statement: ast.stmt) -> ast.stmt | None:
    body = getattr(tree.parents[statement], "body", [])
    after = body[body.index(statement) + 1 :] if statement in body else []
    return after[0] if after else None
