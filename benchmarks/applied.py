"""A printed fix, applied to its program by machine."""

from __future__ import annotations

import ast
import itertools
import re


def applied(text: str, line: int, fix: str) -> str:
    """The program with the code of a fix, up to its first comment, instead of the statements that it names."""
    changes: dict[int, list[str]] = {}
    at = line
    for one in itertools.takewhile(lambda one: not one.startswith("#"), fix.splitlines()):
        if not one.startswith(" "):
            number = re.search(r"    # line (\d+)", one)
            at = int(number[1]) if number else at
        changes.setdefault(at, []).append(one)
    lines = text.splitlines()
    statements = {node.lineno: node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.stmt)}
    for at, code in sorted(changes.items(), reverse=True):
        statement = max((one for number, one in statements.items() if number <= at), key=lambda one: one.lineno)
        last = statement.end_lineno or at
        if code[-1].partition("    #")[0].endswith(":"):
            last = statement.body[0].lineno - 1  # type: ignore[attr-defined]
        indent = " " * statement.col_offset
        lines[statement.lineno - 1 : last] = [indent + one for one in code]
    return "\n".join(lines) + "\n"
