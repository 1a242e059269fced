"""A number as an argument of a function of the same file: what the function does with it is followed."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from compile_doctor.source.trees import Tree, called

if TYPE_CHECKING:
    from compile_doctor.source.conversion.attempt import Conversion

Function = ast.FunctionDef | ast.AsyncFunctionDef


def passed(attempt: Conversion, call: ast.Call, node: ast.expr, keyword: str) -> bool:
    """Whether the only function of that name takes a tensor as it is: other callers may still give it a number."""
    function = _function(attempt.tree, call)
    name = keyword or (
        _parameter(attempt.tree, function, call.args.index(node)) if function and node in call.args else ""
    )
    if function is None or not name or any(isinstance(one, ast.Starred) for one in call.args):
        return False
    before = dict(attempt.edits)
    loads = [one for one in ast.walk(function) if isinstance(one, ast.Name) and one.id == name]
    taken = all(isinstance(one.ctx, ast.Load) and attempt.value(one) for one in loads)
    return taken and bool(loads) and attempt.edits == before


def _function(tree: Tree, call: ast.Call) -> Function | None:
    name = called(call)
    found = [one for one in ast.walk(tree.root) if isinstance(one, Function) and one.name == name]
    imported = isinstance(call.func, ast.Name) and bool(tree.names.bound.get(name))
    if len(found) != 1 or imported or found[0].decorator_list or found[0].args.vararg or found[0].args.kwarg:
        return None
    method = isinstance(tree.parents.get(found[0]), ast.ClassDef)
    return found[0] if method == isinstance(call.func, ast.Attribute) else None


def _parameter(tree: Tree, function: Function, position: int) -> str:
    names = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
    at = position + isinstance(tree.parents.get(function), ast.ClassDef)
    return names[at] if at < len(names) else ""
