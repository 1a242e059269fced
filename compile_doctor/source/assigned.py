"""What was assigned to a name, or to an attribute of `self`."""

from __future__ import annotations

import ast

from compile_doctor.source.trees import Tree, is_parameter


def values_of(tree: Tree, node: ast.expr) -> tuple[ast.expr, ...]:
    """What the function (or the module) assigns to a name, or the class to `self.name`, in the order of the source."""
    if isinstance(node, ast.Attribute):
        own = isinstance(node.value, ast.Name) and node.value.id == "self"
        return _assigned_in(tree.around(node, ast.ClassDef) or tree.root, node) if own else ()
    if not isinstance(node, ast.Name):
        return ()
    where = tree.scope(node)
    while True:  # a nested function reads the names of the one around it
        values = _assigned_in(where, node)
        found = tuple(one for one in values if where is not tree.root or tree.scope(one) is tree.root)
        if found or where is tree.root or is_parameter(where, node.id):
            return found
        where = tree.scope(where)


def _assigned_in(where: ast.AST, node: ast.expr) -> tuple[ast.expr, ...]:
    wanted = ast.dump(node).replace("Store()", "Load()")
    return tuple(
        one.value
        for one in ast.walk(where)
        if isinstance(one, (ast.Assign, ast.AnnAssign)) and one.value is not None
        for target in (one.targets if isinstance(one, ast.Assign) else [one.target])
        if ast.dump(target).replace("Store()", "Load()") == wanted
    )
