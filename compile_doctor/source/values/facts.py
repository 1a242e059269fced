"""What else the source shows of a tensor: integers, memory of its own, the shape of another one."""

from __future__ import annotations

import ast

from compile_doctor.source.assigned import values_of
from compile_doctor.source.names import dotted
from compile_doctor.source.trees import Tree, called
from compile_doctor.source.values.kinds import is_truth, kind_of
from compile_doctor.source.vocabulary import BOOL, FACTORIES, INTEGERS, MASK, MASKS, REDUCED

_WITH_GRADIENTS = ("torch.float", "torch.bfloat", "torch.complex")


def is_whole(tree: Tree, node: ast.expr, within: frozenset[str] = frozenset()) -> bool:
    """Whether it is a tensor of integers or truth values, which has no gradient. `within`: names that are looked at."""
    if isinstance(node, ast.BinOp):
        parts = all(is_whole(tree, one, within) for one in (node.left, node.right))
        return parts and not isinstance(node.op, ast.Div)
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int)
    if isinstance(node, ast.Compare):
        return is_truth(tree, node)
    if isinstance(node, (ast.Name, ast.Attribute)) and dotted(node) in within:
        return True  # `n` of `n = n + 1`
    if isinstance(node, (ast.Name, ast.Attribute)):
        seen = tree.seen(node)
        if seen is not None and seen.dtype.startswith(_WITH_GRADIENTS):
            return False
        values = values_of(tree, node) if isinstance(node, ast.Name) else ()
        found = all(is_whole(tree, value, within | {dotted(node)}) for value in values)
        known = seen is not None or (bool(values) and not tree.is_parameter(node))
        return (found and known) or kind_of(tree, node) in (MASK, BOOL)
    if isinstance(node, ast.Subscript):
        seen = tree.seen(node)
        return is_whole(tree, node.value, within) if seen is None else not seen.dtype.startswith(_WITH_GRADIENTS)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if called(node) in INTEGERS:
            return True
        if called(node) in ("sum", "max", "min", "amax", "amin", "reshape", "view", "squeeze", "clone", "clamp"):
            return is_whole(tree, node.func.value, within)
    return kind_of(tree, node) in (MASK, BOOL)


def is_fresh(node: ast.expr) -> bool:
    """Whether an expression makes a new tensor; a name, an attribute and a view share the memory of another one."""
    if isinstance(node, ast.Call):
        return called(node) in (REDUCED | MASKS | FACTORIES | INTEGERS) - {
            "long",
            "int",
            "short",
            "float",
            "half",
            "double",
        }
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
