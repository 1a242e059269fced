"""Whether a later line goes on with what an earlier line made."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from compile_doctor.source.trees import Tree, tree_of


def goes_on(sources: Mapping[str, str], file: str, earlier: int, later: int) -> bool:
    """Whether both are in one function, and the later line is the same or reads a name that the earlier one gives a value."""
    tree = tree_of(sources.get(file, ""))
    first, second = (tree.statement(line) for line in (earlier, later)) if tree else (None, None)
    if tree is None or first is None or second is None or tree.scope(first) is not tree.scope(second):
        return False
    return first is second or bool(_names(tree, first, ast.Store) & _names(tree, second, ast.Load))


def _names(tree: Tree, statement: ast.stmt, kind: type[ast.expr_context]) -> set[str]:
    own = (one for one in ast.walk(statement) if isinstance(one, ast.Name) and isinstance(one.ctx, kind))
    return {one.id for one in own if tree.statement(one.lineno) is statement}
