"""What else the source shows of a tensor: integers, memory of its own, the shape of another one."""

from __future__ import annotations

import ast

from compile_doctor.source.value_uses import Tree, called, values_of
from compile_doctor.source.values.kinds import is_truth, kind_of
from compile_doctor.source.vocabulary import BOOL, INTEGERS, MASK, MASKS, REDUCED


def is_whole(tree: Tree, node: ast.expr) -> bool:
    """Whether it is a tensor of integers or truth values, which has no gradient."""
    if isinstance(node, ast.BinOp):
        return all(is_whole(tree, one) for one in (node.left, node.right)) and not isinstance(node.op, ast.Div)
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int)
    if isinstance(node, ast.Compare):
        return is_truth(tree, node)
    if isinstance(node, ast.Name):
        values = values_of(tree, node)
        return bool(values) and all(is_whole(tree, value) for value in values)
    if isinstance(node, ast.Subscript):
        return is_whole(tree, node.value)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if called(node) in INTEGERS:
            return True
        if called(node) in ("sum", "max", "min", "amax", "amin", "reshape", "view", "squeeze", "clone", "clamp"):
            return is_whole(tree, node.func.value)
    return kind_of(tree, node) in (MASK, BOOL)


def is_fresh(node: ast.expr) -> bool:
    """Whether an expression makes a new tensor; a name, an attribute and a view share the memory of another one."""
    if isinstance(node, ast.Call):
        return called(node) in REDUCED or called(node) in MASKS or called(node) in INTEGERS - {"long", "int", "short"}
    return isinstance(node, (ast.BinOp, ast.Compare))


def has_shape_of(tree: Tree, mask: ast.expr, tensor: ast.expr) -> bool:
    """Whether a mask is a comparison of the tensor itself, element by element: `x > 0`, `x.abs() < t`, `~torch.isnan(x)`."""
    if isinstance(mask, ast.Name) and len(values_of(tree, mask)) == 1:
        return has_shape_of(tree, values_of(tree, mask)[0], tensor)
    if isinstance(mask, ast.UnaryOp):
        return has_shape_of(tree, mask.operand, tensor)
    if isinstance(mask, ast.BinOp):
        return has_shape_of(tree, mask.left, tensor) and has_shape_of(tree, mask.right, tensor)
    if isinstance(mask, ast.Compare) and len(mask.ops) == 1:
        other = mask.comparators[0]
        return _is_elementwise(mask.left, tensor) and (
            isinstance(other, ast.Constant) or _is_elementwise(other, tensor)
        )
    return (
        isinstance(mask, ast.Call) and called(mask) in ("isnan", "isfinite", "isinf") and _is_elementwise(mask, tensor)
    )


def _is_elementwise(node: ast.expr, tensor: ast.expr) -> bool:
    if ast.dump(node) == ast.dump(tensor):
        return True
    if isinstance(node, ast.Call) and called(node) in ("abs", "isnan", "isfinite", "isinf", "square", "exp", "sigmoid"):
        inner = node.args[0] if node.args else getattr(node.func, "value", None)
        return inner is not None and _is_elementwise(inner, tensor)
    return False
