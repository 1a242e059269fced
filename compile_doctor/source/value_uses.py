"""What a value of a line is used for afterwards: an index, a slice bound, a size, a branch, text, arithmetic."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from compile_doctor.source.assigned import values_of
from compile_doctor.source.trees import Tree, called

PRIORITY = (
    "index",
    "module",
    "key",
    "slice",
    "padding",
    "seed",
    "loop",
    "condition",
    "comparison",
    "element",
    "split",
    "view",
    "size",
    "text",
    "math",
    "arithmetic",
    "stored",
    "kept",
    "returned",
    "argument",
)
"""If a value has several uses, the first of these decides: it is the one that a fix has to care about most."""

_LISTS = frozenset({"list", "tuple", "split", "unbind", "chunk", "ParameterList"})

_MODULES = frozenset({"ModuleList", "Sequential"})

_DICTS = frozenset({"dict", "ModuleDict", "ParameterDict", "OrderedDict", "defaultdict"})

_CALLS = {
    "padding": "pad ConstantPad1d ConstantPad2d ZeroPad1d ZeroPad2d",
    "split": "split split_with_sizes",
    "view": "view reshape unflatten view_as_windows",
    "size": "zeros ones empty full rand randn eye arange new_zeros new_ones new_empty new_full expand narrow "
    "interpolate broadcast_to",
    "seed": "manual_seed manual_seed_all seed default_rng RandomState",
    "loop": "range",
    "text": "print str repr format info debug warning error critical log write add_scalar",
    "kept": "append extend add update setdefault appendleft insert put",
    "comparison": "isnan isinf isfinite",
    "arithmetic": "tensor as_tensor linspace clamp clamp_ mul mul_ add_ sub sub_ div div_ pow fill_ masked_fill masked_fill_ lerp "
    "full_like clip",
}

_BY_CALL = {name: use for use, names in _CALLS.items() for name in names.split()}

_MATH = frozenset({"log", "write", "insert", "add"})

_DECIDING = frozenset(PRIORITY[: PRIORITY.index("text")])
"""Uses for which the value itself has to be known, or a size: what was calculated with it may be a tensor in the others."""

_THROUGH = frozenset(
    {
        "max",
        "min",
        "abs",
        "int",
        "float",
        "round",
        "sum",
        "tuple",
        "list",
        "reversed",
        "sorted",
        "len",
        "enumerate",
        "zip",
    }
)
"""Builtins through which the value goes on."""


@dataclass(frozen=True)
class Use:
    """`index` of `steps[i]`: the kind of use, the expression that uses the value, and what is indexed there."""

    kind: str
    node: ast.AST
    container: ast.expr | None = None


def uses_of(tree: Tree, node: ast.expr, depth: int = 3) -> list[Use]:
    """The uses of an expression's value; first the one that a fix has to care about most."""
    return sorted(_uses(tree, node, depth, ()), key=lambda use: PRIORITY.index(use.kind))


def _uses(tree: Tree, node: ast.expr, depth: int, path: tuple[int, ...]) -> Iterator[Use]:
    """`path`: which element of the loop's target gets the value, for `zip` and `enumerate`."""
    child: ast.AST = node
    calculated = False
    while (parent := tree.parents.get(child)) is not None:
        if isinstance(parent, ast.Slice):
            subscript = tree.around(parent, ast.Subscript)
            assert isinstance(subscript, ast.Subscript)
            yield Use("slice", subscript, subscript.value)
            return
        if isinstance(parent, ast.Subscript) and child is parent.slice:
            yield Use(_kind_of(tree, parent.value), parent, parent.value)
            return
        if isinstance(parent, ast.Call):
            kind, step = _in_call(tree, parent, child)
            if kind:
                yield Use(kind, parent)
                return
            path = (*step, *path)
            calculated = True
        if isinstance(parent, (ast.JoinedStr, ast.FormattedValue)):
            yield Use("text", parent)
            return
        if isinstance(parent, (ast.Compare, ast.BoolOp)) or (
            isinstance(parent, (ast.If, ast.While, ast.IfExp, ast.Assert)) and child is parent.test
        ):
            yield Use("comparison" if isinstance(parent, ast.Compare) else "condition", parent)
            return
        if isinstance(parent, ast.UnaryOp) and isinstance(parent.op, ast.Not):
            yield Use("condition", parent)
            return
        if isinstance(parent, (ast.Return, ast.Yield)) or (isinstance(parent, ast.Lambda) and child is parent.body):
            yield Use("arithmetic" if calculated else "returned", parent)
            return
        if isinstance(parent, (ast.For, ast.comprehension)):
            if child is parent.iter:
                yield from _follow(tree, parent, _element(parent.target, path), depth)
            return
        if isinstance(parent, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            yield from _assigned(tree, parent, depth, calculated or isinstance(parent, ast.AugAssign))
            return
        if isinstance(parent, ast.stmt):
            return
        calculated |= isinstance(parent, ast.BinOp)
        child = parent


def _in_call(tree: Tree, call: ast.Call, child: ast.AST) -> tuple[str, tuple[int, ...]]:
    """The use of an argument, or none and the element of a loop's target that gets it."""
    name = called(call)
    if child is call.func:
        return "argument", ()
    if isinstance(child, ast.keyword) and child.arg in ("padding", "pad"):
        return "padding", ()
    if name in _THROUGH and isinstance(call.func, ast.Name):
        if name == "enumerate":
            return "", (1,)
        return "", (call.args.index(child),) if name == "zip" and isinstance(child, ast.expr) else ()
    if tree.names.of(call.func).startswith(("math.", "cmath.")):
        return "comparison" if name.startswith("is") else "math", ()
    if name in _MATH and tree.names.of(call.func).startswith("torch."):
        return "arithmetic", ()
    return _BY_CALL.get(name, "argument"), ()


def _assigned(
    tree: Tree, parent: ast.Assign | ast.AnnAssign | ast.AugAssign, depth: int, calculated: bool
) -> Iterator[Use]:
    for target in parent.targets if isinstance(parent, ast.Assign) else [parent.target]:
        if isinstance(target, (ast.Attribute, ast.Subscript)):
            yield Use("stored", parent)
        else:
            found = list(_follow(tree, parent, target, depth))
            yield from (use for use in found if use.kind in _DECIDING or not calculated)
            if calculated and not any(use.kind in _DECIDING for use in found):
                yield Use("arithmetic", parent)


def _follow(tree: Tree, binding: ast.AST, target: ast.expr | None, depth: int) -> Iterator[Use]:
    """The uses of the names that a target binds, in the function around it."""
    names = {node.id for node in ast.walk(target) if isinstance(node, ast.Name)} if target is not None else set()
    if not depth or not names:
        return
    first = getattr(target, "lineno", 0)
    inside = tree.parents[binding] if isinstance(binding, ast.comprehension) else tree.scope(binding)
    for node in ast.walk(inside):
        if isinstance(node, ast.Name) and node.id in names and isinstance(node.ctx, ast.Load) and node.lineno >= first:
            yield from _uses(tree, node, depth - 1, ())


def _element(target: ast.expr, path: tuple[int, ...]) -> ast.expr:
    """`b` of `i, (a, b)` by the path (1, 1); the target itself if it is a plain name."""
    for step in path:
        if isinstance(target, (ast.Tuple, ast.List)) and step < len(target.elts):
            target = target.elts[step]
    return target


def _kind_of(tree: Tree, container: ast.expr) -> str:
    """`index` into a Python sequence, `module` of a ModuleList, `key` of a dict, or `element` of what may be a tensor."""
    for value in (container, *values_of(tree, container)):
        name = called(value) if isinstance(value, ast.Call) else ""
        if isinstance(value, (ast.List, ast.Tuple, ast.ListComp)) or name in _LISTS:
            return "index"
        if name in _MODULES:
            return "module"
        if isinstance(value, (ast.Dict, ast.DictComp)) or name in _DICTS:
            return "key"
    return "element"
