"""`if t: continue` on a tensor: the rest of the loop is computed, and what it assigns keeps its old value."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from compile_doctor.source import conditions
from compile_doctor.source.conversion import sides, updates

if TYPE_CHECKING:
    from compile_doctor.source.conversion.attempt import Conversion


def skipped(attempt: Conversion, statement: ast.If, condition: str) -> bool:
    """Whether each statement after the `if` can choose by itself."""
    tree = attempt.tree
    loop = tree.parents.get(statement)
    if not isinstance(loop, ast.For) or statement not in loop.body or loop.orelse:
        return False
    rest = loop.body[loop.body.index(statement) + 1 :]
    used = {one.id for one in ast.walk(tree.scope(statement)) if isinstance(one, ast.Name)}
    word = next(word for word in ("skipped", "left_out", "passed_over", "omitted_") if word not in used)
    found: list[sides.Value] = []
    for one in rest:
        target = one.targets[0] if isinstance(one, ast.Assign) and len(one.targets) == 1 else None
        target = one.target if isinstance(one, ast.AugAssign) else target
        if not isinstance(target, ast.Name) or not isinstance(one, (ast.Assign, ast.AugAssign)):
            return False
        if not sides.is_value(tree, one.value):
            return False
        if not conditions.is_bound_before(tree, statement, target.id):
            continue  # it has a value only behind this `if`
        after = updates.after(attempt, one, target)
        before = sides.Value(target.id, sides.seen(attempt, target), frozenset())
        chosen = sides.choice(attempt, word, before, after) if after else None
        if chosen is None:
            return False
        attempt.edits[one] = f"{target.id} = {chosen.text}"
        found.append(chosen)
    attempt.edits[statement] = f"{word} = {condition}"
    attempt.note(statement, sides.note(found))
    return bool(found)
