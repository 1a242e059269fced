"""A number, or a tensor, by which Python decides: `if`, a conditional expression, an assert."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from compile_doctor.source import conditions
from compile_doctor.source.conversion import branch, in_place, names, rounds, sides, skip
from compile_doctor.source.trees import Tree, called
from compile_doctor.source.values import is_tensor

if TYPE_CHECKING:
    from compile_doctor.source.conversion.attempt import Conversion


def tested(attempt: Conversion, node: ast.expr) -> bool:
    """A decision of Python: an `if`, a conditional expression, an assert, a flag."""
    top: ast.expr = node
    while isinstance(parent := attempt.tree.parents.get(top), (ast.Compare, ast.BoolOp, ast.UnaryOp)) or (
        isinstance(parent, ast.Call) and called(parent) == "bool" and isinstance(parent.func, ast.Name)
    ):
        top = parent
    if top in attempt.decided:
        return True
    attempt.decided.add(top)
    condition = conditions.on_device(attempt.tree, top, attempt.text)
    if not condition or (attempt.symbol and not _is_traced_assert(parent)):
        return False
    if isinstance(parent, ast.Assert) and top is parent.test:
        attempt.edits[parent] = f"torch._assert_async({condition}, {conditions.message(attempt.tree, parent)})"
        return True
    if isinstance(parent, ast.IfExp) and top is parent.test:
        return _choice(attempt, parent, condition)
    if isinstance(parent, ast.If) and top is parent.test:
        first = _first(attempt.tree, parent)
        if first is not parent:  # an `elif` is chosen with the `if` that it belongs to
            condition = conditions.on_device(attempt.tree, first.test, attempt.text)
        return bool(condition) and _branch(attempt, first, condition)
    if isinstance(parent, ast.While) and top is parent.test:
        return rounds.repeated(attempt, parent, condition)
    if isinstance(parent, (ast.Assign, ast.Return, ast.BinOp)):
        attempt.edits[top] = condition
        return attempt.value(top)
    return False


def _choice(attempt: Conversion, node: ast.IfExp, condition: str) -> bool:
    """`a if t else b`."""
    if not all(sides.is_value(attempt.tree, side) for side in (node.body, node.orelse)):
        return False
    one, two = (
        sides.Value(attempt.whole(side), sides.seen(attempt, side), frozenset()) for side in (node.body, node.orelse)
    )
    found = sides.choice(attempt, condition, one, two)
    if found is None:
        return False
    attempt.edits[node] = found.text
    attempt.note(node, sides.note([found]))
    return is_tensor(attempt.tree, node) or attempt.value(node)


def _branch(attempt: Conversion, statement: ast.If, condition: str) -> bool:
    first = statement.body[0]
    if isinstance(first, ast.Raise) and len(statement.body) == 1 and not statement.orelse:
        check = conditions.raised(attempt.tree, statement, first, condition)
        if check is None:
            return False
        attempt.edits[statement], note = check
        attempt.note(statement, note)
        return True
    if isinstance(first, ast.Continue) and len(statement.body) == 1 and not statement.orelse:
        return skip.skipped(attempt, statement, condition)
    if isinstance(first, ast.Break) and len(statement.body) == 1 and not statement.orelse:
        return rounds.ended(attempt, statement, condition)
    if not statement.orelse and all(conditions.is_message(one) for one in statement.body):
        test = attempt.tree.source(statement.test)
        inside = test if conditions.is_one(statement.test) else f"({test})"
        attempt.edits[statement.test] = f"not torch.compiler.is_compiling() and {inside}"
        return True
    in_memory = in_place.written(attempt, statement, condition)
    if in_memory:
        attempt.edits[statement] = in_memory
        attempt.note(statement, "both sides are computed")
        return True
    chosen = branch.chosen(attempt, statement, condition)
    if chosen is None:
        return branch.leaves_early(attempt, statement, condition)
    attempt.edits[statement] = chosen.text
    attempt.note(statement, chosen.note)
    return all(is_tensor(attempt.tree, one) or names.follow(attempt, one) for one in chosen.names)


def _first(tree: Tree, statement: ast.If) -> ast.If:
    """The `if` of an `elif`."""
    while conditions.is_elif(tree, statement):
        parent = tree.parents[statement]
        assert isinstance(parent, ast.If)
        statement = parent
    return statement


def _is_traced_assert(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Assert) and (node.msg is None or isinstance(node.msg, ast.Constant))
