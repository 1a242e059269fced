"""The elements of a list or tuple, as far as the source shows all of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from compile_doctor.source.assigned import values_of
from compile_doctor.source.code_of import code_of
from compile_doctor.source.trees import Tree, called
from compile_doctor.source.vocabulary import PARTS


def elements(tree: Tree, node: ast.expr) -> tuple[ast.expr, ...]:
    """The elements of a list or tuple, of the one that a name stands for, or what a loop appends; none if not all are seen."""
    if isinstance(node, (ast.List, ast.Tuple)):
        return () if any(isinstance(one, ast.Starred) for one in node.elts) else tuple(node.elts)
    if isinstance(node, (ast.ListComp, ast.GeneratorExp)):
        return (node.elt,)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and called(node) in PARTS:
        return (node.func.value,)  # each part is a tensor if the whole is
    if not isinstance(node, (ast.Name, ast.Attribute)):
        return ()
    values = [one for one in values_of(tree, node) if not _is_same(one, node)]
    if len(values) != 1 or isinstance(values[0], (ast.Name, ast.Attribute)):
        return ()
    found = [*elements(tree, values[0])]
    for parent in changes(tree, node):
        if not (isinstance(parent, ast.Call) and called(parent) == "append" and len(parent.args) == 1):
            return ()
        found.append(parent.args[0])
    return tuple(found)


def _is_same(value: ast.expr, name: ast.expr) -> bool:
    """`xs = sorted(xs)`: the same elements in another order."""
    if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Name) or not value.args:
        return False
    return value.func.id in ("sorted", "list", "tuple", "reversed") and code_of(value.args[0]) == code_of(name)


def changes(tree: Tree, node: ast.expr) -> Iterator[ast.AST]:
    """What changes the list that a name stands for: a call of its methods, an assignment to an element."""
    wanted = ast.dump(node).replace("Store()", "Load()")
    around = tree.around(node, ast.ClassDef)
    if isinstance(node, ast.Name):
        around = tree.scope(node)
        own = any(
            isinstance(one, ast.Name) and one.id == node.id and isinstance(one.ctx, ast.Store)
            for one in ast.walk(around)
        )
        around = around if own or tree.is_parameter(node) else tree.root
    for one in ast.walk(around or tree.root):
        if isinstance(one, (ast.Attribute, ast.Subscript)) and ast.dump(one.value) == wanted:
            parent = tree.parents.get(one)
            if isinstance(one, ast.Subscript) and not isinstance(one.ctx, ast.Load):
                yield one
            elif isinstance(one, ast.Attribute) and isinstance(parent, ast.Call) and parent.func is one:
                yield parent
        elif isinstance(one, ast.AugAssign) and ast.dump(one.target).replace("Store()", "Load()") == wanted:
            yield one
