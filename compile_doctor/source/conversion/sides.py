"""The two values between which the device chooses: whether `torch.where` gives what Python would have chosen."""

from __future__ import annotations

import ast
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compile_doctor.source.assigned import values_of
from compile_doctor.source.trees import Tree, called
from compile_doctor.source.values import is_whole, kind_of
from compile_doctor.source.values.shapes import Shape, broadcast, is_known, shape_of
from compile_doctor.source.vocabulary import BOOL, DRAWS, MASK, NUMBER, RESHAPING, TENSOR

if TYPE_CHECKING:
    from compile_doctor.source.conversion.attempt import Conversion


@dataclass(frozen=True)
class Seen:
    """What the source and the recorded inputs show of a value."""

    kind: str
    shape: Shape
    keeps_shape: bool
    """Whether nothing visibly gives it another shape: for two values of which the shapes are not known."""
    whole: bool
    exact: bool = True
    """Whether a number is the same in float32."""


@dataclass(frozen=True)
class Value:
    """The text of an expression, what is known of it, and the names that it reads."""

    text: str
    seen: Seen
    reads: frozenset[str]


def seen(attempt: Conversion, node: ast.expr) -> Seen:
    """What is known of an expression."""
    tree = attempt.tree
    return Seen(
        kind_of(tree, node), shape_of(tree, node), _keeps_shape(tree, node), is_whole(tree, node), _is_exact(node)
    )


def calculated(attempt: Conversion, one: ast.expr, other: ast.expr) -> Seen:
    """What is known of the result of an operator."""
    first, second = seen(attempt, one), seen(attempt, other)
    kind = NUMBER if first.kind == second.kind == NUMBER else TENSOR
    shape = broadcast(first.shape, second.shape)
    return Seen(kind, shape, first.keeps_shape or second.keeps_shape, first.whole and second.whole, False)


def choice(attempt: Conversion, condition: str, one: Value, two: Value) -> Value | None:
    """`torch.where` of two values; None if it may differ from one of them in more than its value."""
    a, b = one.seen, two.seen
    numbers = [side for side in (a, b) if side.kind in (NUMBER, BOOL)]
    if one.text == two.text:
        return one
    if not numbers and not _is_one_shape(a, b):
        return None
    if len(numbers) == 1:
        tensor = b if numbers[0] is a else a
        # a number takes the shape of the tensor, and an integer tensor becomes one of floats
        if tensor.shape not in (None, ()) or (tensor.whole and not numbers[0].whole):
            return None
    if {a.kind, b.kind} == {MASK, TENSOR} or {a.kind, b.kind} == {BOOL, NUMBER}:
        return None
    first = one.text
    if len(numbers) == 2 and not (a.exact and b.exact) and _has_doubles(attempt):
        first = f"torch.tensor({first}, dtype=torch.float64)"
    kind = MASK if a.kind in (MASK, BOOL) and b.kind in (MASK, BOOL) else TENSOR
    shape = a.shape if a.shape == b.shape else broadcast(a.shape, b.shape)
    found = Seen(kind, shape, a.keeps_shape and b.keeps_shape, a.whole and b.whole)
    return Value(f"torch.where({condition}, {first}, {two.text})", found, one.reads | two.reads)


def note(values: Iterable[Value]) -> str:
    """What has to be known about a choice; nothing if it is one of numbers."""
    found = [value.seen for value in values]
    if all(seen.shape == () and seen.keeps_shape for seen in found):
        return ""
    shapes = "" if all(seen.shape is not None for seen in found) else "need one shape, "
    # torch.where's backward multiplies what is not chosen by 0: 0 × inf is NaN.
    return f"both sides are computed: they {shapes}draw no random numbers, and with gradients are finite both"


def is_value(tree: Tree, node: ast.expr) -> bool:
    """Whether an expression computes a number or a tensor, and does nothing else."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, (int, float))
    if any(isinstance(one, (ast.Yield, ast.Await, ast.NamedExpr, ast.Lambda)) for one in ast.walk(node)):
        return False
    calls = [one for one in ast.walk(node) if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute)]
    if any(called(one).endswith("_") or called(one) in ("append", "pop", "item", "tolist", "update") for one in calls):
        return False
    if any(isinstance(one, ast.Call) and called(one) in DRAWS for one in ast.walk(node)):
        return False  # both sides would draw, and the numbers after them are others
    return kind_of(tree, node) in ("", TENSOR, MASK, NUMBER, BOOL)


def _is_one_shape(a: Seen, b: Seen) -> bool:
    if a.shape is not None and (a.shape == b.shape or (is_known(a.shape) and is_known(b.shape))):
        return a.shape == b.shape
    return a.keeps_shape == b.keeps_shape


def _keeps_shape(tree: Tree, node: ast.expr, depth: int = 4) -> bool:
    """Whether nothing in the expression visibly makes another shape, outside of the arguments of its calls."""
    if isinstance(node, ast.Call):
        if called(node) in RESHAPING:
            return False
        return _keeps_shape(tree, node.func.value, depth) if isinstance(node.func, ast.Attribute) else True
    if isinstance(node, ast.BinOp):
        scalar = [one for one in (node.left, node.right) if isinstance(one, ast.Constant)]
        sides = [one for one in (node.left, node.right) if one not in scalar]
        return not sides or any(_keeps_shape(tree, one, depth) for one in sides)
    if isinstance(node, ast.Name) and depth:
        return all(_keeps_shape(tree, value, depth - 1) for value in values_of(tree, node))
    return not isinstance(node, ast.Subscript)


def _is_exact(node: ast.expr) -> bool:
    """Whether a number is the same in float32, which torch.where of two numbers gives."""
    if isinstance(node, ast.UnaryOp):
        return _is_exact(node.operand)
    value = getattr(node, "value", None) if isinstance(node, ast.Constant) else None
    if not isinstance(value, float):
        return isinstance(value, int)
    try:
        return bool(struct.unpack("f", struct.pack("f", value))[0] == value)
    except OverflowError:
        return False


def _has_doubles(attempt: Conversion) -> bool:
    """Whether the function has tensors of float64, in which the difference would show."""
    if any(given.dtype == "torch.float64" for given in attempt.tree.inputs):
        return True
    scope = attempt.tree.scope(attempt.statement)
    return any(isinstance(one, ast.Attribute) and one.attr in ("double", "float64") for one in ast.walk(scope))
