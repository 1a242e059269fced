"""The expression that reads a number from a tensor, and the tensor in its place."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from compile_doctor.source import conditions
from compile_doctor.source.rewriting import rewritten
from compile_doctor.source.trees import called
from compile_doctor.source.values import is_fresh, is_truth, is_whole

if TYPE_CHECKING:
    from compile_doctor.source.conversion.attempt import Conversion


def tensor_of(attempt: Conversion, read: ast.expr) -> str:
    """`t` of `t.item()`, `int(t)`, `float(t)` and of a plain `t`: the same value, and like a number without a gradient."""
    reads = called(read) if isinstance(read, ast.Call) and is_read(read) else ""
    tensor = read
    if reads and isinstance(read, ast.Call):
        tensor = read.func.value if isinstance(read.func, ast.Attribute) else read.args[0]
    text = rewritten(attempt.tree, tensor, {})
    inside = text if conditions.is_one(tensor) else f"({text})"
    whole, truth = is_whole(attempt.tree, tensor), is_truth(attempt.tree, tensor)
    copied = attempt.copy or is_changed_in_place(attempt, tensor)
    if reads == "int":
        return inside if whole and not truth else f"{inside}.long()"
    if whole and reads == "float":
        return f"{inside}.float()"
    if truth and attempt.calculates:
        return f"{inside}.long()"
    if not whole and attempt.calculates:
        inside += ".detach()"
    return f"{inside}.clone()" if copied and not is_fresh(tensor) else inside


def is_changed_in_place(attempt: Conversion, tensor: ast.expr) -> bool:
    """Whether the file changes the memory that a name or attribute stands for: `t.add_(1)`, `t += 1`, `t[0] = 1`."""
    wanted = last_name(root_of(tensor))
    for one in ast.walk(attempt.tree.root):
        changed: ast.expr | None = None
        if isinstance(one, ast.AugAssign):
            changed = one.target
        elif isinstance(one, ast.Subscript) and not isinstance(one.ctx, ast.Load):
            changed = one.value
        elif isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute):
            name = one.func.attr
            changed = one.func.value if name.endswith("_") and not name.startswith("__") else None
        if changed is not None and last_name(root_of(changed)) == wanted:
            return True
    return False


def is_read(call: ast.Call) -> bool:
    """`t.item()`, `int(t)`, `float(t)`."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr == "item" and not call.args
    return isinstance(call.func, ast.Name) and call.func.id in ("int", "float") and len(call.args) == 1


def root_of(node: ast.expr) -> ast.expr:
    """`attempt.pos` of `attempt.pos[0].view(-1)`."""
    while isinstance(node, (ast.Subscript, ast.Call)) or (
        isinstance(node, ast.Attribute) and not isinstance(node.value, ast.Name)
    ):
        inner = node.func if isinstance(node, ast.Call) else node.value
        node = inner.value if isinstance(node, ast.Call) and isinstance(inner, ast.Attribute) else inner
    return node


def last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
