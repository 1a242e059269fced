"""Statements of a function by line: where Dynamo can stop tracing, and what comes after."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import lru_cache

from compile_doctor.source.names import Names, dotted, parsed
from compile_doctor.source.trees import called
from compile_doctor.source.vocabulary import OUTPUT

_CHECKPOINTS = ("torch.utils.checkpoint.checkpoint", "torch.utils.checkpoint.checkpoint_sequential")
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def span(sources: Mapping[str, str], file: str, line: int, function: str) -> tuple[int, int] | None:
    """(line of `def`, last line) of the innermost function of this name around a line; None if the source has none."""
    node = _around(sources.get(file, ""), line, function)
    return (node.lineno, node.end_lineno or node.lineno) if node else None


def statement_at(sources: Mapping[str, str], file: str, line: int) -> tuple[int, int, int, int] | None:
    """(first line, first column, last line, column after the end) of the innermost statement around a line.

    Columns count from 1. None if the source has no such statement.
    """
    found: tuple[int, int, int, int] | None = None
    for one in ast.walk(_tree(sources.get(file, ""))):
        if isinstance(one, ast.stmt) and one.lineno <= line <= (one.end_lineno or one.lineno):
            place = (one.lineno, one.col_offset + 1, one.end_lineno or one.lineno, (one.end_col_offset or 0) + 1)
            if found is None or (place[0], -place[2]) >= (found[0], -found[2]):
                found = place
    return found


def rest_from(sources: Mapping[str, str], file: str, line: int, function: str) -> int:
    """The line from which a function runs in plain Python if it breaks at `line` and cannot be resumed there.

    Dynamo goes back to the last place at which the stack was empty: the statement, or what is around it if that is a
    loop, a `try` or a `with` that Dynamo cannot leave and enter again.
    """
    text = sources.get(file, "")
    node = _around(text, line, function)
    if node is None:
        return line
    names, start = Names(_tree(text)), line
    for one in _path(node, line):
        start = one.lineno
        if isinstance(one, (ast.For, ast.AsyncFor, ast.Try)) or (
            isinstance(one, (ast.With, ast.AsyncWith)) and not _of_torch(one, names)
        ):
            break
    return start


def is_with(sources: Mapping[str, str], file: str, line: int) -> bool:
    """Whether a `with` statement begins at the line."""
    tree = _tree(sources.get(file, ""))
    return any(isinstance(one, (ast.With, ast.AsyncWith)) and one.lineno == line for one in ast.walk(tree))


def is_output(sources: Mapping[str, str], file: str, line: int) -> bool:
    """Whether the statement at a line does nothing but print, log or write."""
    found = [
        one
        for one in ast.walk(_tree(sources.get(file, "")))
        if isinstance(one, ast.stmt) and one.lineno <= line <= (one.end_lineno or one.lineno)
    ]
    last = max(found, key=lambda one: (one.lineno, -(one.end_lineno or one.lineno)), default=None)
    call = last.value if isinstance(last, ast.Expr) else None
    return isinstance(call, ast.Call) and called(call) in OUTPUT | {"write"}


def checkpoint_calls(sources: Mapping[str, str], file: str, line: int, function: str) -> list[tuple[int, int, str]]:
    """(first line, last line, what is checkpointed) of the calls of torch's checkpoint in the function around a line."""
    text = sources.get(file, "")
    node = _around(text, line, function)
    names = Names(_tree(text))
    calls = (one for one in ast.walk(node) if isinstance(one, ast.Call)) if node else ()
    return [
        (one.lineno, one.end_lineno or one.lineno, dotted(one.args[0]) if one.args else "")
        for one in calls
        if names.of(one.func) in _CHECKPOINTS
    ]


@lru_cache(maxsize=128)
def _tree(text: str) -> ast.Module:
    return parsed(text) or ast.Module([], [])


def _around(text: str, line: int, function: str) -> _Function | None:
    found = [
        node
        for node in ast.walk(_tree(text))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and node.name == function
        and min([node.lineno, *(one.lineno for one in node.decorator_list)]) <= line <= (node.end_lineno or node.lineno)
    ]
    return max(found, key=lambda one: one.lineno, default=None)


def _path(function: _Function, line: int) -> Iterator[ast.stmt]:
    """The statements around a line, outermost first, without those of functions inside."""
    node: ast.AST = function
    while True:
        inside = [
            one
            for one in ast.walk(node)
            if one is not node and isinstance(one, ast.stmt) and one.lineno <= line <= (one.end_lineno or one.lineno)
        ]
        if not inside:
            return
        node = min(inside, key=lambda one: (one.lineno, -(one.end_lineno or one.lineno)))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            return
        assert isinstance(node, ast.stmt)
        yield node


def _of_torch(statement: ast.With | ast.AsyncWith, names: Names) -> bool:
    """Whether it enters torch's own managers, such as no_grad or autocast, which Dynamo leaves and enters again."""
    called = [one.context_expr for one in statement.items]
    return all(names.of(one.func if isinstance(one, ast.Call) else one).startswith("torch.") for one in called)
