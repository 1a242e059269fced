"""A loop that a tensor ends: it runs a fixed number of rounds, and once the tensor has decided nothing changes any more."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from compile_doctor.source import conditions
from compile_doctor.source.assigned import values_of
from compile_doctor.source.code_of import code_of
from compile_doctor.source.conversion import names, sides, updates
from compile_doctor.source.trees import called
from compile_doctor.source.values import is_tensor, kind_of
from compile_doctor.source.vocabulary import NUMBER

if TYPE_CHECKING:
    from compile_doctor.source.conversion.attempt import Conversion

_Loop = ast.For | ast.While


@dataclass
class _Rounds:
    """The loop's new body, and the names that it carries from round to round."""

    lines: list[str] = field(default_factory=list)
    carried: dict[str, ast.Name] = field(default_factory=dict)
    values: list[sides.Value] = field(default_factory=list)


def repeated(attempt: Conversion, loop: ast.While, condition: str) -> bool:
    """`while t:` as a loop of a number of rounds that the user has to choose, if nothing else bounds it."""
    word = _free(attempt, loop, "goes_on")
    rounds = _frozen(attempt, loop, loop.body, word)
    if rounds is None or loop.orelse:
        return False
    bound = _bound(attempt, loop)
    steps = bound or "ROUNDS"
    attempt.edits[loop] = "\n".join([f"for _ in range({steps}):", f"    {word} = {condition}", *rounds.lines])
    if not bound:
        attempt.note(loop, "ROUNDS: as many as are ever needed, more only cost time")
    return _goes_on(attempt, loop, rounds)


def ended(attempt: Conversion, statement: ast.If, condition: str) -> bool:
    """`if t: break` in a `for` loop."""
    loop = attempt.tree.parents.get(statement)
    if not isinstance(loop, ast.For) or statement not in loop.body or loop.orelse:
        return False
    word, at = _free(attempt, loop, "running"), loop.body.index(statement)
    before = _frozen(attempt, loop, loop.body[:at], word)
    after = _frozen(attempt, loop, loop.body[at + 1 :], word)
    if before is None or after is None or _is_read_after(attempt, loop, loop.target):
        return False
    both = _Rounds(carried={**before.carried, **after.carried}, values=[*before.values, *after.values])
    tensor = next((name for name, node in both.carried.items() if is_tensor(attempt.tree, node)), "")
    if not tensor:
        return False
    lines = [
        f"{word} = {tensor}.new_ones((), dtype=torch.bool)",
        attempt.tree.head(loop),
        *before.lines,
        f"    {word} = {word} & ~({condition})",
        *after.lines,
    ]
    attempt.edits[loop] = "\n".join(lines)
    return _goes_on(attempt, loop, both)


def _goes_on(attempt: Conversion, loop: _Loop, rounds: _Rounds) -> bool:
    attempt.note(loop, sides.note(rounds.values))
    return bool(rounds.values) and all(
        is_tensor(attempt.tree, one) or names.follow(attempt, one) for one in rounds.carried.values()
    )


def _frozen(attempt: Conversion, loop: _Loop, body: list[ast.stmt], word: str) -> _Rounds | None:
    """The statements with a choice for each name that has a value before the loop; None if one does more than compute values."""
    tree, rounds = attempt.tree, _Rounds()
    for one in body:
        targets = one.targets if isinstance(one, ast.Assign) else [one.target] if isinstance(one, ast.AugAssign) else []
        if len(targets) != 1 or not isinstance(one, (ast.Assign, ast.AugAssign)) or not sides.is_value(tree, one.value):
            return None
        target = targets[0]
        if not isinstance(target, ast.Name):
            return None
        if not conditions.is_bound_before(tree, loop, target.id):
            if isinstance(one, ast.AugAssign) or _is_read_after(attempt, loop, target):
                return None
            rounds.lines.append(f"    {attempt.whole(one)}")  # of this round only
            continue
        after = updates.after(attempt, one, target)
        chosen = sides.choice(
            attempt, word, after, sides.Value(target.id, sides.seen(attempt, target), frozenset())
        ) if after else None  # fmt: skip
        if chosen is None:
            return None
        rounds.lines.append(f"    {target.id} = {chosen.text}")
        rounds.carried[target.id] = target
        rounds.values.append(chosen)
    return rounds


def _is_read_after(attempt: Conversion, loop: _Loop, target: ast.expr) -> bool:
    """Whether a name that the loop gives a value is read behind it."""
    bound = {one.id for one in ast.walk(target) if isinstance(one, ast.Name)}
    last = loop.end_lineno or loop.lineno
    loads = (one for one in ast.walk(attempt.tree.scope(loop)) if isinstance(one, ast.Name) and one.id in bound)
    return any(isinstance(one.ctx, ast.Load) and one.lineno > last for one in loads)


def _bound(attempt: Conversion, loop: ast.While) -> str:
    """`limit` of `while t > 0 and step < limit`, for a number that begins at 0 and counts the rounds."""
    parts = loop.test.values if isinstance(loop.test, ast.BoolOp) and isinstance(loop.test.op, ast.And) else []
    for part in parts:
        if not (isinstance(part, ast.Compare) and len(part.ops) == 1 and isinstance(part.ops[0], ast.Lt)):
            continue
        count, limit = part.left, part.comparators[0]
        starts = [one.value for one in values_of(attempt.tree, count) if isinstance(one, ast.Constant)]
        steps = [code_of(one) for one in loop.body if isinstance(one, (ast.Assign, ast.AugAssign))]
        name = code_of(count)
        counts = f"{name} += 1" in steps or f"{name} = {name} + 1" in steps
        if starts == [0] and counts and kind_of(attempt.tree, limit) in (NUMBER, "") and not _calls(limit):
            return attempt.tree.source(limit)
    return ""


def _calls(node: ast.expr) -> bool:
    return any(isinstance(one, ast.Call) and called(one) != "len" for one in ast.walk(node))


def _free(attempt: Conversion, loop: _Loop, word: str) -> str:
    used = {one.id for one in ast.walk(attempt.tree.scope(loop)) if isinstance(one, ast.Name)}
    return next(one for one in (word, f"{word}_now", f"{word}_{loop.lineno}") if one not in used)
