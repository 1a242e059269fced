"""The shape of an expression, from the shapes that were recorded for the function's inputs, or relative to them.

A dimension is a number, or a text for one that is not known: two shapes are the same only if all of it is.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from compile_doctor.model.compilations import Given
from compile_doctor.source.assigned import values_of
from compile_doctor.source.code_of import code_of
from compile_doctor.source.trees import Tree, called
from compile_doctor.source.values.kinds import is_tensor, kind_of
from compile_doctor.source.values.named import is_bound_otherwise
from compile_doctor.source.values.results import is_module_call
from compile_doctor.source.vocabulary import BOOL, BROADCASTING, ELEMENTWISE, NUMBER, TO_ONE

Shape = tuple[int | str, ...] | None
_ALL = "all of "
"""The one dimension of a tensor of which not even the number of dimensions is known."""


def shape_of(tree: Tree, node: ast.expr) -> Shape:
    """The shape of a tensor, `()` of a number; None if neither the source nor the recorded inputs show it."""
    return _Look(tree).shape(node)


def is_known(shape: Shape) -> bool:
    """Whether it has the number of dimensions."""
    return shape is not None and not any(_is_whole(size) for size in shape)


def broadcast(*shapes: Shape) -> Shape:
    """The shape of an elementwise operation; None if it is not sure."""
    found: Shape = ()
    for shape in shapes:
        if shape is None or found is None:
            return None
        if shape == found or not shape or not found:
            found = shape or found
        elif not is_known(shape) or not is_known(found):
            return None
        else:
            found = _together(found, shape)
    return found


def _is_whole(size: int | str) -> bool:
    return isinstance(size, str) and size.startswith(_ALL)


def _together(one: tuple[int | str, ...], other: tuple[int | str, ...]) -> Shape:
    length = max(len(one), len(other))
    sizes = []
    for a, b in zip((1,) * (length - len(one)) + one, (1,) * (length - len(other)) + other, strict=True):
        if a != b and 1 not in (a, b):
            return None
        sizes.append(b if a == 1 else a)
    return tuple(sizes)


@dataclass
class _Look:
    tree: Tree
    names: dict[str, Shape] = field(default_factory=dict)
    """By name, what was found; while its values are looked at, what it was before."""

    def shape(self, node: ast.expr) -> Shape:
        if kind_of(self.tree, node) in (NUMBER, BOOL):
            return ()
        look = _SHAPES.get(type(node))
        return look(self, node) if look else None


def _name(look: _Look, node: ast.Name | ast.Attribute) -> Shape:
    name = code_of(node)
    if name in look.names:
        return look.names[name]
    tree, values, seen = look.tree, values_of(look.tree, node), look.tree.seen(node)
    given: Shape = None
    if seen is not None:
        given = _sizes(seen, name)
    elif tree.is_parameter(node) or not values:
        given = (f"{_ALL}{name}",) if is_tensor(tree, node) else None
    if is_bound_otherwise(tree, node, len(values)):
        return None
    look.names[name] = given
    shapes = {look.shape(value) for value in values} | ({given} if given is not None or not values else set())
    look.names[name] = shapes.pop() if len(shapes) == 1 else None
    return look.names[name]


def _sizes(seen: Given, name: str) -> Shape:
    return tuple(size if size >= 0 else f"{name}.shape[{dim}]" for dim, size in enumerate(seen.shape))


def _call(look: _Look, node: ast.Call) -> Shape:
    name, full = called(node), look.tree.names.of(node.func)
    if not isinstance(node.func, ast.Attribute):
        return None
    if is_module_call(look.tree, node):
        return _of_module(look, node)
    given = [*([] if full.startswith(("torch.", "F.", "math.")) else [node.func.value]), *node.args]
    if not given:
        return None
    if name in ELEMENTWISE:
        return look.shape(given[0])
    if name in BROADCASTING:
        return broadcast(*(look.shape(one) for one in given))
    options = {one.arg: one.value for one in node.keywords}
    if name not in TO_ONE:
        return None
    if len(given) == 1 and not set(options) - {"dtype"}:
        return ()
    return _reduced(look.shape(given[0]), options.get("dim", given[1] if len(given) > 1 else None), options)


def _of_module(look: _Look, node: ast.Call) -> Shape:
    """`self.proj(x)` of a Linear changes the last dimension only; an activation, dropout or norm none."""
    made = {ast.dump(value): value for value in values_of(look.tree, node.func)}
    shape = look.shape(node.args[0]) if len(made) == 1 and len(node.args) == 1 and not node.keywords else None
    (value,) = made.values() if len(made) == 1 else (None,)
    if not isinstance(value, ast.Call) or shape is None:
        return None
    if called(value) == "Linear" and is_known(shape) and shape and len(value.args) > 1:
        size = value.args[1].value if isinstance(value.args[1], ast.Constant) else None
        return (*shape[:-1], size if isinstance(size, int) else look.tree.source(value.args[1]))
    return shape if called(value) in _SAME_SHAPE else None


_SAME_SHAPE = frozenset(
    {
        "ReLU",
        "GELU",
        "SiLU",
        "Tanh",
        "Sigmoid",
        "LeakyReLU",
        "Softplus",
        "LayerNorm",
        "RMSNorm",
        "BatchNorm1d",
        "BatchNorm2d",
    }
    | {"Dropout", "Dropout1d", "Dropout2d", "Identity"}
)


def _reduced(shape: Shape, dim: ast.expr | None, options: Mapping[str | None, ast.expr]) -> Shape:
    """The shape without one dimension, or with 1 in its place."""
    try:
        at = ast.literal_eval(dim) if dim is not None else None
        kept = ast.literal_eval(options["keepdim"]) if "keepdim" in options else False
    except ValueError:
        return None
    if shape is None or not is_known(shape) or not isinstance(at, int) or not -len(shape) <= at < len(shape):
        return None
    at %= len(shape)
    return (*shape[:at], *((1,) if kept else ()), *shape[at + 1 :])


def _part(look: _Look, node: ast.Subscript) -> Shape:
    """`batch["x"]` as it was seen; `x[0]` of a tensor whose dimensions are known."""
    seen = look.tree.seen(node)
    if seen is not None:
        return _sizes(seen, code_of(node))
    shape = look.shape(node.value)
    one = isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, int)
    return shape[1:] if shape and is_known(shape) and one and is_tensor(look.tree, node.value) else None


def _calculated(look: _Look, node: ast.BinOp) -> Shape:
    return None if isinstance(node.op, ast.MatMult) else broadcast(look.shape(node.left), look.shape(node.right))


_SHAPES: Mapping[type, Callable[[_Look, Any], Shape]] = {
    **dict.fromkeys((ast.Name, ast.Attribute), _name),
    ast.Call: _call,
    ast.BinOp: _calculated,
    ast.UnaryOp: lambda look, node: look.shape(node.operand),
    ast.Compare: lambda look, node: broadcast(*(look.shape(one) for one in (node.left, *node.comparators))),
    ast.Subscript: _part,
}
