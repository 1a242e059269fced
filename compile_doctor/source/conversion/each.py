"""A list of numbers that is made from the elements of a tensor, one by one: the same is done with the whole tensor."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from compile_doctor.source.values import is_tensor
from compile_doctor.source.values.shapes import is_known, shape_of

if TYPE_CHECKING:
    from compile_doctor.source.conversion.attempt import Conversion


def element(attempt: Conversion, parent: ast.ListComp, node: ast.expr) -> bool:
    """`torch.tensor([0.2 if t.item() == 0 else 1.0 for t in target])`: `torch.where(target == 0, 0.2, 1.0)`."""
    tree, loop = attempt.tree, parent.generators[0]
    call = tree.parents.get(parent)
    if node is not parent.elt or len(parent.generators) > 1 or loop.ifs or not isinstance(loop.target, ast.Name):
        return False
    if not isinstance(call, ast.Call) or tree.names.of(call.func) not in ("torch.tensor", "torch.as_tensor"):
        return False
    shape = shape_of(tree, loop.iter)
    if len(call.args) > 1 or call.keywords or not is_tensor(tree, loop.iter) or not is_known(shape):
        return False
    whole = attempt.text(loop.iter)
    whole = whole if isinstance(loop.iter, (ast.Name, ast.Attribute, ast.Call, ast.Subscript)) else f"({whole})"
    attempt.edits[call] = re.sub(rf"(?<![\w.]){loop.target.id}\b", whole.replace("\\", ""), attempt.text(parent.elt))
    return shape is not None and len(shape) == 1
