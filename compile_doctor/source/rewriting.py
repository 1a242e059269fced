"""The user's own source with some of its expressions written differently, and nothing else changed."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from compile_doctor.source.trees import Tree


def rewritten(tree: Tree, node: ast.AST, edits: Mapping[ast.AST, str]) -> str:
    """The node on one line, with the text of `edits` in the place of those nodes; of a compound statement its head."""
    if node in edits:
        return edits[node]
    texts = [(one, text) for one, text in edits.items() if one is not node and _is_inside(tree, one, node)]
    outer = [(one, text) for one, text in texts if not any(_is_inside(tree, one, other) for other, _ in texts)]
    marks = {f"EDIT{number:04}EDIT": text for number, (_, text) in enumerate(outer)}
    found = tree.source(node, {one: mark for (one, _), mark in zip(outer, marks, strict=True)})
    body = getattr(node, "body", None)
    if isinstance(node, ast.stmt) and isinstance(body, list) and body:
        first = tree.source(body[0])
        found = found[: found.index(first)].strip() if first in found else found
    for mark, text in marks.items():
        found = found.replace(mark, text)
    return found


def changed_lines(tree: Tree, first: ast.stmt, edits: Mapping[ast.AST, str], notes: Mapping[ast.AST, str]) -> list[str]:
    """The statements that change, first the one at the finding's line; each other with its number; then what has to be known."""
    changed = {statement_of(tree, node) for node in edits}
    lines: list[str] = []
    for statement in sorted(changed, key=lambda one: (one is not first, getattr(one, "lineno", 0))):
        head, *more = rewritten(tree, statement, edits).splitlines()
        lines += [head if statement is first else f"{head}    # line {getattr(statement, 'lineno', 0)}", *more]
    remarks = "; ".join(dict.fromkeys(notes.values()))
    return [*lines, *([f"# {remarks[0].upper()}{remarks[1:]}"] if remarks else [])]


def statement_of(tree: Tree, node: ast.AST) -> ast.AST:
    """The statement that a node is in."""
    return node if isinstance(node, ast.stmt) else tree.around(node, ast.stmt) or node


def _is_inside(tree: Tree, node: ast.AST, outer: ast.AST) -> bool:
    at = tree.parents.get(node)
    while at is not None and at is not outer:
        at = tree.parents.get(at)
    return at is outer
