"""Why ranks part at a line: the innermost condition around it, if that depends on the rank."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from functools import lru_cache

from compile_doctor.source.code_of import code_of
from compile_doctor.source.names import parsed

_RANK = re.compile(
    r"\b(?:\w*_)?(?:rank|is_main\w*|is_master\w*|is_leader)\b|\bget_rank\b|\bget_local_rank\b", re.IGNORECASE
)


def rank_condition(sources: Mapping[str, str], file: str, line: int) -> str:
    """The text of the innermost `if` around the line, or in the function at it, whose condition names the rank."""
    conditions = [one for one in _conditions(sources.get(file, "")) if one[0] <= line <= one[1]]
    found = [text for _, _, text in sorted(conditions, key=lambda one: one[0] - one[1], reverse=True)]
    return next((text for text in found if _RANK.search(text)), "")


def condition_in(sources: Mapping[str, str], file: str, line: int) -> tuple[str, int]:
    """The first condition on the rank in the function that begins at the line, and its line; empty without one."""
    text = sources.get(file, "")
    span = next((one for one in _definitions(text) if one[0] <= line <= one[2] and one[1] >= line), None)
    if span is None:
        return "", 0
    inside = ((at, condition) for at, _, condition in _conditions(text) if span[0] <= at <= span[1])
    return next(((condition, at) for at, condition in inside if _RANK.search(condition)), ("", 0))


@lru_cache(maxsize=32)
def _conditions(source: str) -> tuple[tuple[int, int, str], ...]:
    """First line, last line and what decides, of every `if`, conditional expression and loop, in order."""
    found = []
    for node in _nodes(source):
        if isinstance(node, (ast.If, ast.IfExp, ast.While)):
            found.append((node.lineno, node.end_lineno or node.lineno, code_of(node.test)))
        elif isinstance(node, ast.For):
            found.append((node.lineno, node.end_lineno or node.lineno, code_of(node.iter)))
    return tuple(sorted(found))


@lru_cache(maxsize=32)
def _definitions(source: str) -> tuple[tuple[int, int, int], ...]:
    """First line (of decorators), last line and line of `def` of every function, the innermost first."""
    found = [
        (
            min([node.lineno, *(one.lineno for one in node.decorator_list)]),
            node.end_lineno or node.lineno,
            node.body[0].lineno,
        )
        for node in _nodes(source)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    return tuple(sorted(found, key=lambda one: one[1] - one[0]))


def _nodes(source: str) -> list[ast.AST]:
    tree = parsed(source)
    return list(ast.walk(tree)) if tree else []
