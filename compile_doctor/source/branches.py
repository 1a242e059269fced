"""The conditions that Python decides at a line, and the words to decide them on the device."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from compile_doctor.source.assigned import values_of
from compile_doctor.source.conversion import Conversion
from compile_doctor.source.trees import Tree, called


def branches(tree: Tree, statement: ast.stmt, nodes: list[ast.expr]) -> Iterator[tuple[str, dict[str, str]]]:
    """The conditions that Python decides at this line; `converted` is the code that decides one on the device."""
    if isinstance(statement, ast.Assert):
        yield "assert", _decided(tree, statement, statement.test)
    elif isinstance(statement, ast.While):
        yield "while", _decided(tree, statement, statement.test)
    elif isinstance(statement, ast.If):
        yield _kind(tree, statement), _decided(tree, statement, statement.test)
    for node in sorted(nodes, key=lambda node: isinstance(node, ast.BoolOp)):
        if isinstance(node, ast.IfExp):
            yield "choice", _decided(tree, statement, node.test)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield "logic", _decided(tree, statement, node.operand)
        elif isinstance(node, ast.BoolOp):
            yield "logic", _decided(tree, statement, node.values[0]) | {"test": tree.source(node)}
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "bool" and node.args:
            yield "logic", _decided(tree, statement, node.args[0])
        elif isinstance(node, (ast.ListComp, ast.GeneratorExp, ast.SetComp)) and node.generators[0].ifs:
            yield "collects", {"line": tree.head(statement), "test": tree.source(node.generators[0].ifs[0])}
        elif isinstance(node, ast.Compare) and any(isinstance(one, (ast.In, ast.NotIn)) for one in node.ops):
            yield "membership", _decided(tree, statement, node)


def _decided(tree: Tree, statement: ast.stmt, test: ast.expr) -> dict[str, str]:
    attempt = Conversion(tree, statement)
    words = {"line": tree.head(statement), "test": tree.source(test)}
    if attempt.decide(test):
        words["converted"] = attempt.lines()
    parts = [one for value in _behind(tree, test) for one in ast.walk(value)]
    shape = next((tree.source(one) for one in parts if isinstance(one, ast.Attribute) and one.attr == "shape"), "")
    numpy = any(isinstance(one, ast.Call) and tree.names.of(one.func).startswith("numpy.") for one in parts)
    words |= {"shape": shape, "numpy": "yes" if numpy else ""}
    return {name: word for name, word in words.items() if word}


def leaves(tree: Tree, node: ast.AST) -> bool:
    """Whether a condition decides if a loop ends."""
    statement = node if isinstance(node, ast.stmt) else tree.around(node, ast.stmt)
    return isinstance(statement, ast.While) or (isinstance(statement, ast.If) and _kind(tree, statement) == "leaves")


def _kind(tree: Tree, statement: ast.If) -> str:
    """`leaves` for an `if` that ends a loop, `skips` for one that ends a step of it, `collects`, `raise`, or `branch`."""
    inside = [one for part in (*statement.body, *statement.orelse) for one in ast.walk(part)]
    loop = tree.around(statement, (ast.For, ast.While, ast.FunctionDef, ast.AsyncFunctionDef))
    in_loop = isinstance(loop, (ast.For, ast.While))
    if any(isinstance(one, ast.Break) or (in_loop and isinstance(one, ast.Return)) for one in inside):
        return "leaves"
    if any(isinstance(one, ast.Call) and called(one) in ("append", "extend", "add", "insert") for one in inside):
        return "collects"
    if any(isinstance(one, ast.Continue) for one in inside):
        return "skips"
    return "raise" if any(isinstance(one, ast.Raise) for one in inside) else "branch"


def grouped(text: str, node: ast.expr) -> str:
    """The text of an expression, in parentheses if an operator or a dot behind it would take a part of it."""
    return text if isinstance(node, (ast.Name, ast.Attribute, ast.Call, ast.Subscript)) else f"({text})"


def _behind(tree: Tree, node: ast.expr) -> Iterator[ast.expr]:
    """An expression, and what was assigned to the names in it."""
    yield node
    for one in ast.walk(node):
        if isinstance(one, ast.Name):
            yield from values_of(tree, one)
