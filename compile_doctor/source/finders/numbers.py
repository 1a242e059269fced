"""Expressions that read a number from a tensor, and the code without the read."""

from __future__ import annotations

import ast

from compile_doctor.source.assigned import values_of
from compile_doctor.source.conversion import Conversion, is_read
from compile_doctor.source.rewriting import statement_of
from compile_doctor.source.trees import Tree, called, expressions_of
from compile_doctor.source.values import is_tensor, kind_of
from compile_doctor.source.values.shapes import shape_of
from compile_doctor.source.vocabulary import MASK, MODULES, NUMBERS_TOO, SEQUENCE, TENSOR

CONVERSIONS = {"int": "{}.long()", "float": "{}", "complex": "{}", "round": "{}.round()", "bool": "{}.bool()"}


def method(tree: Tree, node: ast.expr, kind: str) -> dict[str, str] | None:
    names = ("tolist", "to_list") if kind == "tolist" else (kind,)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in names:
        return _plain(tree, node, node.func.value)
    return None


def conversion(tree: Tree, node: ast.expr, kind: str) -> dict[str, str] | None:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == kind):
        return None
    value = node.args[0] if len(node.args) == 1 else None
    if value is None or isinstance(value, ast.Constant):
        return None
    known = isinstance(value, ast.Call) and called(value) in ("len", "item")
    return None if known else _plain(tree, node, value, CONVERSIONS[kind])


def of_math(tree: Tree, node: ast.expr, _: str) -> dict[str, str] | None:
    """`math.sqrt(t)` of a tensor, which Python turns into a number."""
    if not isinstance(node, ast.Call) or not tree.names.of(node.func).startswith("math."):
        return None
    value = node.args[0] if len(node.args) == 1 else None
    return {"tensor": tree.source(value)} if value is not None and is_tensor(tree, value) else None


def _plain(tree: Tree, node: ast.expr, instead: ast.expr, wrap: str = "{}") -> dict[str, str]:
    """The statement with `instead` for the whole expression: `x * x.sum()` for `x * x.sum().item()`."""
    statement = tree.around(node, ast.stmt)
    assert statement is not None
    simple = isinstance(instead, (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.Constant))
    inside = tree.source(instead) if simple else f"({tree.source(instead)})"
    return {
        "tensor": wrap.format(inside),
        "plain": tree.head(statement).replace(tree.source(node), wrap.format(inside)),
        "kept": tree.head(statement).replace(tree.source(node), inside),
    }


MOST = 16
"""Reads in one statement that are rewritten together."""


def converted(tree: Tree, statement: ast.stmt, node: ast.Call) -> dict[str, str]:
    """`converted`: the user's code without the read; `traced`: torch can trace the number as a symbol instead."""
    if sum(isinstance(one, ast.Call) and is_read(one) for one in expressions_of(statement)) > MOST:
        return {"converted": "", "traced": ""}
    reads = _reads(tree, statement, node)
    attempt = Conversion(tree, statement)
    words = {"converted": ""}
    if attempt.convert(reads):
        both = Conversion(tree, statement)
        too = _read_too(tree, attempt, reads)
        words["converted"] = (both if too and both.convert([*reads, *too]) else attempt).lines()
    around = tree.around(node, ast.ClassDef)
    bases = [tree.names.of(base) for base in around.bases] if isinstance(around, ast.ClassDef) else []
    may = is_read(node) and not any(base.endswith("autograd.Function") for base in bases)
    words["traced"] = "yes" if may and Conversion(tree, statement, symbol=True).convert(reads) else ""
    return words


def _reads(tree: Tree, statement: ast.stmt, node: ast.Call) -> list[ast.expr]:
    """The expressions of the statement from which a number is read: each of them would break the graph."""
    calls = [one for one in expressions_of(statement) if isinstance(one, ast.Call)]
    found: list[ast.expr] = [one for one in calls if one is node or (is_read(one) and _is_of_tensor(tree, one))]
    found = [_implied(one) if isinstance(one, ast.Call) and not is_read(one) else one for one in found]
    inner = {inside for one in found for inside in ast.walk(one) if inside is not one}
    return [one for one in found if one not in inner]


def _read_too(tree: Tree, attempt: Conversion, reads: list[ast.expr]) -> list[ast.expr]:
    """Other numbers that are read before and used in a statement that changes: it is changed once, for all of them."""
    found: list[ast.expr] = []
    for statement in {statement_of(tree, node) for node in attempt.edits}:
        for name in ast.walk(statement):
            values = values_of(tree, name) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Load) else ()
            for value in values if len(values) == 1 else ():
                for one in ast.walk(value):
                    if (
                        isinstance(one, ast.Call)
                        and called(one) == "item"
                        and is_read(one)
                        and one not in (*reads, *found)
                    ):
                        found.append(one)
    return found


def _implied(call: ast.Call) -> ast.expr:
    """`t` of `round(t)` and `math.sqrt(t)`, which read it."""
    return call.args[0] if call.args else call


def _is_of_tensor(tree: Tree, call: ast.Call) -> bool:
    return called(call) == "item" or (bool(call.args) and is_tensor(tree, call.args[0]))


def picked(tree: Tree, node: ast.expr, _: str) -> dict[str, str] | None:
    """`boxes[first]` of a tensor by a 0-d tensor, which torch reads as a number."""
    statement = tree.around(node, ast.stmt)
    if not isinstance(statement, ast.stmt) or not _may_pick(tree, node):
        return None
    others = [one for one in expressions_of(statement) if _may_pick(tree, one)]
    assert isinstance(node, ast.Subscript)
    calls = {called(one) for one in expressions_of(statement) if isinstance(one, ast.Call)}
    if (len(others) > 1 or calls & NUMBERS_TOO) and shape_of(tree, node.slice) != ():
        return None  # something else may be what reads a number
    attempt = Conversion(tree, statement)
    known = [one.slice for one in others if isinstance(one, ast.Subscript)] if len(others) > 1 else [node.slice]
    words = {"tensor": tree.source(node.slice), "in": tree.source(node)}
    return {**words, "converted": attempt.lines()} if attempt.convert(known) else words


def _may_pick(tree: Tree, node: ast.expr) -> bool:
    """Whether it is an element of a tensor, chosen by what may be a 0-d tensor of integers."""
    if not isinstance(node, ast.Subscript) or not isinstance(node.ctx, ast.Load) or isinstance(node.slice, ast.Tuple):
        return False
    if kind_of(tree, node.slice) != TENSOR or kind_of(tree, node.value) not in (TENSOR, MASK):
        return False
    return shape_of(tree, node.slice) == () or not any(isinstance(one, ast.Slice) for one in ast.walk(node.slice))


def indexed(tree: Tree, node: ast.expr, _: str) -> dict[str, str] | None:
    """`branches[choice]` of a Python list, tuple or dict by a tensor, which Python turns into a number."""
    if not isinstance(node, ast.Subscript) or not is_tensor(tree, node.slice):
        return None
    statement, container = tree.around(node, ast.stmt), kind_of(tree, node.value)
    if container not in (SEQUENCE, MODULES) or not isinstance(statement, ast.stmt):
        return None
    attempt = Conversion(tree, statement)
    words = {"tensor": tree.source(node.slice), "in": tree.source(node), "container": tree.source(node.value)}
    return {**words, "converted": attempt.lines()} if attempt.convert([node.slice]) else words
