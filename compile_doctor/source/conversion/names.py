"""A number that gets a name: all that reads the name is followed."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from compile_doctor.source.code_of import code_of
from compile_doctor.source.conversion import leaving
from compile_doctor.source.rewriting import rewritten
from compile_doctor.source.values import is_tensor
from compile_doctor.source.vocabulary import OPERATORS

if TYPE_CHECKING:
    from compile_doctor.source.conversion.attempt import Conversion


def assigned(attempt: Conversion, parent: ast.Assign | ast.AnnAssign | ast.AugAssign) -> bool:
    targets = parent.targets if isinstance(parent, ast.Assign) else [parent.target]
    if len(targets) != 1:
        return False
    target = targets[0]
    if isinstance(target, ast.Name):
        if isinstance(parent, ast.AugAssign) and is_tensor(attempt.tree, target):
            return isinstance(parent.op, OPERATORS)
        return follow(attempt, target)
    if not isinstance(target, ast.Attribute) or is_tensor(attempt.tree, target):
        return isinstance(target, (ast.Attribute, ast.Subscript)) and is_tensor(attempt.tree, _subject(target))
    if not _reads_follow(attempt, target):
        return False
    return leaving.leave(
        attempt, parent, f"then {rewritten(attempt.tree, target, {})} is a tensor; .item() where it is read"
    )


def unpacked(attempt: Conversion, parent: ast.Assign, values: ast.Tuple | ast.List, node: ast.expr) -> bool:
    """`low, high = a.item(), b.item()`."""
    target = parent.targets[0]
    if len(parent.targets) != 1 or not isinstance(target, ast.Tuple) or len(target.elts) != len(values.elts):
        return False
    name = target.elts[values.elts.index(node)]
    return isinstance(name, ast.Name) and follow(attempt, name)


def follow(attempt: Conversion, target: ast.Name) -> bool:
    scope = attempt.tree.scope(target)
    for one in ast.walk(scope):
        if isinstance(one, (ast.Global, ast.Nonlocal)) and target.id in one.names:
            return False
        if not isinstance(one, ast.Name) or one.id != target.id:
            continue
        if isinstance(one.ctx, ast.Store) and isinstance(attempt.tree.parents.get(one), ast.AugAssign):
            attempt.copy = True
        if isinstance(one.ctx, ast.Load) and (attempt.tree.scope(one) is not scope or not attempt.value(one)):
            return False
    return not isinstance(scope, ast.Module)


def _reads_follow(attempt: Conversion, target: ast.Attribute) -> bool:
    """Whether all that the file reads of `self.scale` takes a tensor; only in the class that stores it, and in compiled code."""
    tree, around = attempt.tree, attempt.tree.around(target, ast.ClassDef)
    for one in ast.walk(tree.root):
        if not isinstance(one, ast.Attribute) or one.attr != target.attr or not isinstance(one.ctx, ast.Load):
            continue
        own = code_of(one) == code_of(target) and tree.around(one, ast.ClassDef) is around is not None
        after = tree.scope(one) is tree.scope(target) and one.lineno > target.lineno
        if not own or not after or not attempt.value(one):
            return False
    return True


def _subject(target: ast.expr) -> ast.expr:
    return target.value if isinstance(target, ast.Subscript) else target
