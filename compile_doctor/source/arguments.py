"""The user's own expression for an argument that a call refuses, and how to write it so that the call takes it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from compile_doctor.model.stacks import Frame
from compile_doctor.source.code_of import code_of
from compile_doctor.source.names import parsed

_REFUSED = (
    re.compile(r"argument '(?P<name>\w+)'(?: \(position \d+\))? must be bool, not SymBool"),
    re.compile(r"\b(?P<name>\w+)=(?:torch\.)?SymBool\b"),
    re.compile(r"(?P<name>)\bnot SymBool\b"),
)
"""torch's words for a truth value that is a comparison of dynamic sizes, where the operator wants a plain one."""


def as_constant(sources: Mapping[str, str], frame: Frame | None, words: str) -> str:
    """The line that makes such an argument a plain truth value, with the user's own names; empty for another refusal."""
    found = next(filter(None, (pattern.search(words) for pattern in _REFUSED)), None)
    if found is None:
        return ""
    value = _value(sources.get(frame.file, ""), frame.line, found["name"]) if frame else None
    name = found["name"] or "argument"
    changed = value or f"{name} = True if {name} else False"
    return f"# Ask for the comparison in Python, and the graph has a guard and a constant:\n{changed}"


def _value(source: str, line: int, name: str) -> str | None:
    """`causal = True if … else False` for a name that the function assigns, else `is_causal=True if … else False`."""
    tree = parsed(source)
    if tree is None:
        return None
    given = next((keyword.value for keyword in _keywords(tree, line) if keyword.arg == name), None)
    if given is None:
        return None
    if isinstance(given, ast.Name):
        made = _assigned(tree, line, given.id)
        return f"{given.id} = True if {code_of(made) if made else given.id} else False"
    return f"{name}=True if {code_of(given)} else False"


def _keywords(tree: ast.AST, line: int) -> Iterator[ast.keyword]:
    """The keyword arguments of the calls that lie around a line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.lineno <= line <= (node.end_lineno or node.lineno):
            yield from node.keywords


def _assigned(tree: ast.AST, line: int, name: str) -> ast.expr | None:
    """What the last assignment before the line, in the same function, gives to the name."""
    functions = [
        node
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.lineno <= line <= (node.end_lineno or 0)
    ]
    found: ast.expr | None = None
    for node in ast.walk(functions[-1]) if functions else ():
        if not isinstance(node, ast.Assign) or node.lineno > line:
            continue
        if any(isinstance(target, ast.Name) and target.id == name for target in node.targets):
            found = node.value
    return found
