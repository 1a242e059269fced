"""Buffers of a module that are a constant: `self.register_buffer("stride", torch.tensor(3))`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from compile_doctor.source.assigned import values_of
from compile_doctor.source.trees import Tree, called


def constant_buffer(tree: Tree, node: ast.AST) -> dict[str, str] | None:
    """`buffer` and `value` of an attribute that an expression reads, if nothing but its registration writes it."""
    for attribute in _attributes(tree, node, 2):
        owner = tree.around(attribute, ast.ClassDef)
        if (
            owner is None
            or _is_changed(owner, attribute.attr)
            or not _is_only_read_as_number(tree, owner, attribute.attr)
        ):
            continue
        values = [value for value in _registered(owner, attribute.attr) if _literal(value)]
        if len(values) == 1:
            return {"buffer": attribute.attr, "value": tree.source(_literal(values[0]) or values[0])}
    return None


def _attributes(tree: Tree, node: ast.AST, depth: int) -> Iterator[ast.Attribute]:
    """`self.x` in an expression, and in what the function assigned to the names in it."""
    for one in ast.walk(node):
        if isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name) and one.value.id == "self":
            yield one
        elif isinstance(one, ast.Name) and depth:
            for value in values_of(tree, one):
                yield from _attributes(tree, value, depth - 1)


def _registered(owner: ast.AST, name: str) -> Iterator[ast.expr]:
    for one in ast.walk(owner):
        registers = isinstance(one, ast.Call) and called(one) == "register_buffer" and len(one.args) >= 2
        if isinstance(one, ast.Call) and registers and getattr(one.args[0], "value", None) == name:
            yield one.args[1]
        if isinstance(one, ast.Assign) and any(_is_self(target, name) for target in one.targets):
            yield one.value


def _is_only_read_as_number(tree: Tree, owner: ast.AST, name: str) -> bool:
    """Whether all of the class that reads it works with a plain number or list: arithmetic, a comparison, an index, int()."""
    for one in ast.walk(owner):
        if not isinstance(one, ast.Attribute) or one.attr != name or not isinstance(one.ctx, ast.Load):
            continue
        parent = tree.parents.get(one)
        call = tree.parents.get(parent) if parent is not None else None
        if isinstance(parent, ast.Attribute):
            read = parent.attr in ("item", "tolist") and isinstance(call, ast.Call) and call.func is parent
        elif isinstance(parent, ast.Call):
            read = isinstance(parent.func, ast.Name) and parent.func.id in ("int", "float", "bool", "len", "range")
            read |= tree.names.of(parent.func).startswith("math.") or isinstance(parent.func, ast.Attribute)
        else:
            read = isinstance(
                parent, (ast.BinOp, ast.UnaryOp, ast.Compare, ast.Subscript, ast.Tuple, ast.List, ast.Assign)
            )
        if not read:
            return False
    return True


def _literal(value: ast.expr) -> ast.expr | None:
    """`3` of `torch.tensor(3)`."""
    if isinstance(value, ast.Call) and called(value) in ("tensor", "as_tensor") and value.args:
        try:
            ast.literal_eval(value.args[0])
        except (ValueError, TypeError, SyntaxError):
            return None
        return value.args[0]
    return None


def _is_changed(owner: ast.AST, name: str) -> bool:
    """Whether a method or an operator writes it in place: `self.pos.add_(1)`, `self.pos += 1`, `self.pos[0] = 1`."""
    for one in ast.walk(owner):
        if isinstance(one, ast.AugAssign) and _is_self(one.target, name):
            return True
        if isinstance(one, ast.Subscript) and isinstance(one.ctx, ast.Store) and _is_self(one.value, name):
            return True
        method = one.func if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute) else None
        if method is not None and method.attr.endswith("_") and _is_self(method.value, name):
            return True
    return False


def _is_self(node: ast.AST, name: str) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and node.attr == name
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    )
