"""Rows that are chosen by a mask, computed and written back: all rows are computed, and the mask chooses."""

from __future__ import annotations

import ast

from compile_doctor.source.branches import grouped
from compile_doctor.source.rewriting import rewritten
from compile_doctor.source.trees import Tree, called
from compile_doctor.source.values.shapes import is_known, shape_of


def routed(tree: Tree, node: ast.expr, _: str) -> dict[str, str] | None:
    """`idx = torch.nonzero(choice == i).squeeze(-1)`, if all that reads `idx` is `out[idx] = expert(x[idx])`."""
    statement = tree.parents.get(node)
    mask = _mask(tree, node)
    if mask is None or not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
        return None
    name = statement.targets[0].id
    loads = [
        one
        for one in ast.walk(tree.scope(statement))
        if isinstance(one, ast.Name) and one.id == name and isinstance(one.ctx, ast.Load)
    ]
    write = tree.around(loads[0], ast.stmt) if loads else None
    if not isinstance(write, ast.Assign) or any(tree.around(one, ast.stmt) is not write for one in loads):
        return None
    target = write.targets[0]
    places = [tree.parents.get(one) for one in loads]
    if not isinstance(target, ast.Subscript) or not all(isinstance(one, ast.Subscript) for one in places):
        return None
    read = [one for one in places if isinstance(one, ast.Subscript) and one is not target]
    shapes = [shape_of(tree, one.value) for one in read]
    if len(read) + 1 != len(places) or not shapes or not all(shape is not None and is_known(shape) for shape in shapes):
        return None
    more = max(len(shape or ()) for shape in shapes) - 1
    value = rewritten(tree, write.value, {one: tree.source(one.value) for one in read})
    whole = tree.source(target.value)
    used = {one.id for one in ast.walk(tree.scope(statement)) if isinstance(one, ast.Name)}
    free = next(word for word in ("rows", "chosen", "routed_") if word not in used)
    text = tree.source(mask)
    first = f"{free} = ({text})[:{', None' * more}]" if more else f"{free} = {text}"
    return {
        "routed": f"{first}\n{whole} = torch.where({free}, {value}, {whole})    # line {write.lineno}",
        "mask": grouped(text, mask),
    }


def _mask(tree: Tree, node: ast.expr) -> ast.expr | None:
    """The mask of `torch.nonzero(m).squeeze(-1)`, `torch.where(m)[0]` and `m.nonzero(as_tuple=True)[0]`."""
    inner = node.value if isinstance(node, ast.Subscript) and tree.source(node.slice) == "0" else node
    if isinstance(inner, ast.Call) and called(inner) in ("squeeze", "flatten", "view", "reshape", "ravel"):
        inner = inner.func.value if isinstance(inner.func, ast.Attribute) else inner
    if not isinstance(inner, ast.Call) or called(inner) not in ("nonzero", "where") or inner is node:
        return None
    module = tree.names.of(inner.func).startswith("torch.")
    given = inner.args if module else [getattr(inner.func, "value", None), *inner.args]
    return given[0] if len(given) == 1 and isinstance(given[0], ast.expr) else None
