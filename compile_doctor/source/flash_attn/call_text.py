"""The source text of a call: its arguments, and the statement around it."""

from __future__ import annotations

import ast
import re
from itertools import accumulate

from compile_doctor.source.code_of import code_of

_HEADS = (ast.If, ast.While, ast.For, ast.AsyncFor, ast.With, ast.AsyncWith)
"""Statements that contain others, whose head can be shown alone."""
_TO_COLON = re.compile(r"(?:[^:#]|#[^\n]*\n)*:")
_MOST_LINES = 8
"""The most lines of a statement or a head that is printed again, without the lines of the call itself."""


def arguments_of(
    order: tuple[str, ...], given: list[ast.expr], keywords: list[ast.keyword], text: str
) -> tuple[dict[str, str], tuple[str, ...]]:
    """(parameter to source, arguments that could not be read), for a function with the parameters `order`."""
    arguments: dict[str, str] = {}
    unread: list[str] = []
    for position, value in enumerate(given):
        if isinstance(value, ast.Starred) or unread or position >= len(order):
            unread.append(_source(value, text))
        else:
            arguments[order[position]] = _source(value, text)
    for keyword in keywords:
        source = _source(keyword.value, text)
        if keyword.arg is None:
            unread.append(f"**{source}")
        elif keyword.arg in order:
            arguments[keyword.arg] = source
        else:
            unread.append(f"{keyword.arg}={source}")
    return arguments, tuple(unread)


def _source(node: ast.expr, text: str) -> str:
    """The text as written if it is one line, else as `code_of` writes it."""
    source = ast.get_source_segment(text.lstrip("\ufeff"), node) or ""
    return code_of(node) if "\n" in source or not source else source


def text_around(statement: ast.AST, node: ast.Call, text: str) -> tuple[str, str] | None:
    """(text before, text after) the call, dedented, in its statement or its head; None if neither can be shown alone."""
    holds = hasattr(statement, "body") or hasattr(statement, "cases")
    if not isinstance(statement, ast.stmt) or (holds and not isinstance(statement, _HEADS)):
        return None
    whole = text.lstrip("\ufeff").splitlines(keepends=True)[statement.lineno - 1 : statement.end_lineno]
    starts = list(accumulate(map(len, whole), initial=0))
    lines = "".join(whole)

    def at(line: int | None, column: int | None) -> int:
        return starts[(line or 0) - statement.lineno] + (column or 0)

    begin, end, body = (
        at(statement.lineno, statement.col_offset),
        at(statement.end_lineno, statement.end_col_offset),
        "",
    )
    if isinstance(statement, _HEADS):
        last = max((one.end_lineno or 0, one.end_col_offset or 0) for one in _head(statement))
        colon = _TO_COLON.match(lines, at(*last))
        end, body = colon.end() if colon else end, "\n    ..."
    before = lines[begin : at(node.lineno, node.col_offset)]
    after = lines[at(node.end_lineno, node.end_col_offset) : end]
    if (before + after).count("\n") >= _MOST_LINES or not lines[:end].isascii():  # columns count bytes
        return None
    margin = "\n" + " " * statement.col_offset
    return before.replace(margin, "\n"), after.replace(margin, "\n") + body


def _head(statement: ast.stmt) -> list[ast.expr]:
    """The expressions between the keyword and the colon."""
    items = getattr(statement, "items", ())
    found = [getattr(statement, name, None) for name in ("test", "iter")]
    found += [part for item in items for part in (item.context_expr, item.optional_vars)]
    return [one for one in found if one is not None]


def unpacked_into(statement: ast.AST, node: ast.Call) -> int:
    """How many names the statement unpacks the call's result into; 0 if it does not unpack it."""
    if isinstance(statement, ast.Assign) and statement.value is node and isinstance(statement.targets[0], ast.Tuple):
        return len(statement.targets[0].elts)
    return 0
