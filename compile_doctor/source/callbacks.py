"""What a package calls back, in the words of the user's line that passes it on, so that it can be compiled by itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from compile_doctor.source.assigned import values_of
from compile_doctor.source.names import dotted
from compile_doctor.source.trees import Tree, called, expressions_of, tree_of

_CALLED = ("forward", "__call__")
"""Methods that a call of a module runs."""


def compiled_apart(text: str, line: int, back: Sequence[int]) -> tuple[str, ...]:
    """The statements that compile what the call at a line passes on: `self.f.compile()`, `field = torch.compile(field)`.

    `back`: lines of this file that were seen to run when the package called them.
    """
    tree = tree_of(text)
    statement = tree.statement(line) if tree else None
    if tree is None or statement is None:
        return ()
    passed = [
        argument
        for call in expressions_of(statement)
        if isinstance(call, ast.Call)
        for argument in (*call.args, *(one.value for one in call.keywords))
    ]
    found = [one for argument in passed for one in _compiled(tree, argument, back)]
    return tuple(dict.fromkeys(found))


def _compiled(tree: Tree, argument: ast.expr, back: Sequence[int]) -> Iterator[str]:
    if isinstance(argument, ast.Lambda):
        if any(_holds(argument, one) for one in back):
            yield from _modules_in(tree, argument)
        return
    name = dotted(argument)
    if not name:
        return
    functions = [
        one for one in ast.walk(tree.root) if isinstance(one, ast.FunctionDef) and one.name == name.split(".")[-1]
    ]
    if any(_holds(function, line) for function in functions for line in back):
        yield f"{name} = torch.compile({name})"
        return
    for value in values_of(tree, argument):
        if _is_torchs(tree, value):
            yield _wrapped(name)
        yield from (
            f"{name}.compile()" if way in _CALLED else f"{name}.{way} = torch.compile({name}.{way})"
            for way in _ways(tree, value, back)
        )


def _wrapped(name: str) -> str:
    return f"{name} = torch.compile({name})    # its parameters are then named `_orig_mod.…`"


def _modules_in(tree: Tree, function: ast.Lambda) -> Iterator[str]:
    """The modules of `self` that a function calls."""
    for call in ast.walk(function.body):
        name = dotted(call.func) if isinstance(call, ast.Call) else ""
        for value in values_of(tree, call.func) if isinstance(call, ast.Call) and name.startswith("self.") else ():
            if isinstance(value, ast.Call):
                yield _wrapped(name) if _is_torchs(tree, value) else f"{name}.compile()"


def _ways(tree: Tree, made: ast.expr, back: Sequence[int]) -> Iterator[str]:
    """The methods by which an object of a class of this file is called back: those that have the lines.

    `module.compile()` compiles its `forward` only: a package that calls `sde.drift(t, y)` never runs that.
    """
    if not isinstance(made, ast.Call):
        return
    found = [
        method
        for node in tree.root.body
        if isinstance(node, ast.ClassDef) and node.name == called(made)
        for method in node.body
        if isinstance(method, ast.FunctionDef) and any(_holds(method, line) for line in back)
    ]
    inside = {called(one) for method in found for one in ast.walk(method) if isinstance(one, ast.Call)}
    outer = [method.name for method in found if method.name not in inside and method.name != "__init__"]
    yield from [one for one in outer if one in _CALLED][:1] or outer


def _is_torchs(tree: Tree, made: ast.expr) -> bool:
    """Whether a call makes a module of torch, for which `module.compile()` compiles nothing: their code is not traced by itself."""
    name = tree.names.of(made.func).split(".") if isinstance(made, ast.Call) else []
    return name[:2] == ["torch", "nn"] and name[-1][:1].isupper() and name[-1] not in ("Parameter", "Buffer")


def _holds(node: ast.AST, line: int) -> bool:
    return getattr(node, "lineno", 0) <= line <= (getattr(node, "end_lineno", 0) or 0)
