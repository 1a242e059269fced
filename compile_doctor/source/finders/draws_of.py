"""Random numbers of Python and numpy."""

from __future__ import annotations

import ast

from compile_doctor.source import draws
from compile_doctor.source.assigned import values_of
from compile_doctor.source.conversion import Conversion
from compile_doctor.source.finders import calls
from compile_doctor.source.trees import Tree, called


def drawn_here(tree: Tree, node: ast.expr, kind: str) -> dict[str, str] | None:
    if not isinstance(node, ast.Call) or not draws.is_draw(tree, node, kind):
        return None
    words = {"function": tree.source(node.func), f"draws-{called(node)}": "yes", **calls.arguments(tree, node)}
    statement = tree.around(node, ast.stmt)
    drawn = draws.by_torch(tree, node, kind)
    whole = draws.array_by_torch(tree, node)
    if isinstance(statement, ast.stmt) and (drawn or whole):
        attempt = Conversion(tree, statement)
        if attempt.put(*(whole or (node, drawn)), is_number=whole is None):
            words["converted"] = attempt.lines()
    return words


def drawn_before(tree: Tree, node: ast.expr, _: str) -> dict[str, str] | None:
    """A name that stands for a random number of Python or numpy."""
    values = values_of(tree, node) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) else ()
    found = [value for value in values if any(draws.is_draw(tree, value, kind) for kind in draws.MODULES)]
    return {"drawn": tree.source(found[0])} if found and len(found) == len(values) else None
