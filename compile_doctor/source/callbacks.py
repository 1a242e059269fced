"""What a package calls back, in the words of the user's line that passes it on, so that it can be compiled by itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from compile_doctor.source.names import dotted
from compile_doctor.source.value_uses import Tree, called, expressions_of, tree_of, values_of


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
    elif any(_is_module(tree, value, back) for value in values_of(tree, argument)):
        yield f"{name}.compile()"


def _modules_in(tree: Tree, function: ast.Lambda) -> Iterator[str]:
    """The modules of `self` that a function calls."""
    for call in ast.walk(function.body):
        name = dotted(call.func) if isinstance(call, ast.Call) else ""
        if isinstance(call, ast.Call) and name.startswith("self.") and any(map(_is_call, values_of(tree, call.func))):
            yield f"{name}.compile()"


def _is_module(tree: Tree, made: ast.expr, back: Sequence[int]) -> bool:
    """Whether a call makes a module of torch, or one of a class of this file that has one of the lines."""
    if not isinstance(made, ast.Call):
        return False
    name = tree.names.of(made.func)
    if name.startswith("torch.nn.") and name.split(".")[-1][:1].isupper():
        return name.split(".")[-1] not in ("Parameter", "Buffer")
    classes = (one for one in tree.root.body if isinstance(one, ast.ClassDef) and one.name == called(made))
    return any(_holds(node, line) for node in classes for line in back)


def _is_call(node: ast.expr) -> bool:
    return isinstance(node, ast.Call)


def _holds(node: ast.AST, line: int) -> bool:
    return getattr(node, "lineno", 0) <= line <= (getattr(node, "end_lineno", 0) or 0)
