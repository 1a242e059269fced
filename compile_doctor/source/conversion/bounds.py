"""A number that bounds a slice: an index of fixed length takes its place."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from compile_doctor.source import conditions
from compile_doctor.source.assigned import values_of
from compile_doctor.source.conversion import masked, reads
from compile_doctor.source.values import is_tensor, kind_of
from compile_doctor.source.vocabulary import NUMBER

if TYPE_CHECKING:
    from compile_doctor.source.conversion.attempt import Conversion


def bound(attempt: Conversion, part: ast.Slice) -> bool:
    """`x[:, s : s + 4]`: an index of fixed length."""
    node = attempt.tree.parents.get(part)
    index = node.slice if isinstance(node, ast.Subscript) else node
    node = attempt.tree.parents.get(index) if isinstance(index, ast.Tuple) else node
    if not isinstance(node, ast.Subscript) or not is_tensor(attempt.tree, node.value) or part.step is not None:
        return False
    if not attempt.symbol and masked.reduced(attempt, part, node):
        return True
    length = _length(attempt, part)
    if attempt.symbol or length is None or part.lower is None or not unshared(attempt, node):
        return False
    subject = attempt.text(node.value)
    if not conditions.is_one(node.value) or isinstance(node.value, ast.Call):
        return False
    attempt.edits[part] = f"{attempt.text(part.lower)} + torch.arange({length}, device={subject}.device)"
    attempt.note(node, "the positions must exist")
    attempt.followed |= {one for one in ast.walk(part) if isinstance(one, ast.expr)}
    return True


def _length(attempt: Conversion, part: ast.Slice) -> str | None:
    """`4` for the bounds `s` and `s + 4`, also if `s + 4` has a name."""
    if part.lower is None or part.upper is None:
        return None
    for value in (part.upper, *values_of(attempt.tree, part.upper)):
        if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
            for one, other in ((value.left, value.right), (value.right, value.left)):
                if ast.dump(one) == ast.dump(part.lower) and kind_of(attempt.tree, other) == NUMBER:
                    return attempt.text(other)
    return None


def unshared(attempt: Conversion, node: ast.Subscript) -> bool:
    """Whether nothing writes into the result: an index gives a copy where a slice gave a view."""
    if not isinstance(node.ctx, ast.Load):
        return True
    parent = attempt.tree.parents.get(node)
    names = [*parent.targets] if isinstance(parent, ast.Assign) else []
    if any(isinstance(one, ast.Name) and reads.is_changed_in_place(attempt, one) for one in names):
        return False
    return not (isinstance(parent, ast.Attribute) and parent.attr.endswith("_"))
