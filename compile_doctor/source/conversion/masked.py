"""A slice up to a number, of which only a sum or a mean is wanted: a mask of fixed size takes its place."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from compile_doctor.source import conditions
from compile_doctor.source.trees import called
from compile_doctor.source.values.shapes import is_known, shape_of

if TYPE_CHECKING:
    from compile_doctor.source.conversion.attempt import Conversion


def reduced(attempt: Conversion, part: ast.Slice, node: ast.Subscript) -> bool:
    """`x[:, :n].mean(1)`: `torch.where(torch.arange(x.shape[1]) < n, x, 0).sum(1) / n`."""
    attribute = attempt.tree.parents.get(node)
    call = attempt.tree.parents.get(attribute) if isinstance(attribute, ast.Attribute) else None
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    shape, dim = shape_of(attempt.tree, node.value), parts.index(part)
    if not isinstance(call, ast.Call) or call.func is not attribute or shape is None or not is_known(shape):
        return False
    if part.lower is not None or part.upper is None or not all(one is part or _is_all(one) for one in parts):
        return False
    name, over = called(call), _dimension(call)
    if name not in ("sum", "mean") or (name == "mean" and (over is None or over % len(shape) != dim)):
        return False
    subject = attempt.text(node.value) if conditions.is_one(node.value) else f"({attempt.text(node.value)})"
    size, behind = attempt.text(part.upper), len(shape) - dim - 1
    size = size if conditions.is_one(part.upper) else f"({size})"
    mask = f"torch.arange({subject}.shape[{dim}], device={subject}.device) < {size}"
    mask = f"({mask})[:{', None' * behind}]" if behind else mask
    arguments = attempt.tree.source(call)[len(attempt.tree.source(call.func)) :]
    total = f"torch.where({mask}, {subject}, 0).sum{arguments}"
    alone = isinstance(attempt.tree.parents.get(call), (ast.stmt, ast.keyword, ast.Call))
    attempt.edits[call] = total if name == "sum" else f"{total} / {size}" if alone else f"({total} / {size})"
    attempt.note(node, "the number is between 0 and the size")
    attempt.followed |= {one for one in ast.walk(part) if isinstance(one, ast.expr)}
    return True


def _is_all(part: ast.expr) -> bool:
    return isinstance(part, ast.Slice) and part.lower is part.upper is part.step is None


def _dimension(call: ast.Call) -> int | None:
    """The one dimension that a reduction is given."""
    options = {one.arg: one.value for one in call.keywords}
    given = options.get("dim", call.args[0] if call.args else None)
    try:
        found = ast.literal_eval(given) if given is not None else None
    except ValueError:
        return None
    return found if isinstance(found, int) else None
