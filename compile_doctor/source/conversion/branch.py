"""An `if` on a tensor whose sides only compute values, as code in which the device chooses between them."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compile_doctor.source import conditions
from compile_doctor.source.conversion import sides
from compile_doctor.source.conversion.one_side import Side, UnfitError, side_of
from compile_doctor.source.values import kind_of
from compile_doctor.source.vocabulary import MASK, TENSOR

if TYPE_CHECKING:
    from compile_doctor.source.conversion.attempt import Conversion


@dataclass(frozen=True)
class Chosen:
    """The code in the place of an `if`, the names that it gives a value, and what has to be known."""

    text: str
    names: tuple[ast.Name, ...]
    note: str


def chosen(attempt: Conversion, statement: ast.If, condition: str) -> Chosen | None:
    """None if a side does more than to compute values, or if they may differ in more than their values."""
    try:
        side = _both(attempt, statement, condition)
    except UnfitError:
        return None
    note = sides.note([*side.values.values(), *side.returned])
    if side.each:
        return _each(attempt, statement, condition, side)
    if side.returned:
        lines = [returned(side)]
        several = len(side.returned) > 1
    else:
        lines = [f"{name} = {value.text}" for name, value in side.values.items()]
        several = len(lines) > 1
    if several:
        free = free_word(attempt, statement)
        lines = [f"{free} = {condition}", *(line.replace(f"({condition}, ", f"({free}, ") for line in lines)]
    return Chosen("\n".join(lines), tuple(side.names.values()), note) if lines else None


def _each(attempt: Conversion, statement: ast.If, condition: str, side: Side) -> Chosen | None:
    """`if t: grads = [g * c for g in grads]`: the device chooses for each element."""
    ((name, made),) = side.each.items()
    element, tree = made.generators[0].target, attempt.tree
    after = sides.Value(attempt.whole(made.elt), sides.seen(attempt, made.elt), frozenset())
    before = sides.Value(tree.source(element), sides.seen(attempt, element), frozenset())
    free = free_word(attempt, statement)
    found = sides.choice(attempt, free, after, before)
    if found is None:
        return None
    text = f"{free} = {condition}\n{name} = [{found.text} for {before.text} in {name}]"
    return Chosen(text, (), sides.note([found]))


def leaves_early(attempt: Conversion, statement: ast.If, condition: str) -> bool:
    """`if t: return a`, then statements that only compute values, then `return b`: the last line chooses."""
    block = getattr(attempt.tree.parents.get(statement), "body", [])
    rest = block[block.index(statement) + 1 :] if statement in block else []
    if statement.orelse or len(rest) < 2 or not isinstance(rest[-1], ast.Return):
        return False
    free = free_word(attempt, statement)
    try:
        then, other = side_of(attempt, statement.body), side_of(attempt, rest[-1:])
        between = side_of(attempt, rest[:-1])
        if not then.returned or then.each or between.each:
            return False
        stored = set(between.values)
        if stored & frozenset().union(*(one.reads for one in then.returned)):
            return False
        side = _returned(attempt, free, then, other)
    except UnfitError:
        return False
    attempt.edits[statement] = f"{free} = {condition}"
    attempt.edits[rest[-1]] = returned(side)
    attempt.note(statement, sides.note(side.returned))
    return True


def returned(side: Side) -> str:
    """The `return` of what was chosen."""
    return f"return {', '.join(one.text for one in side.returned)}{',' if side.several and len(side.returned) == 1 else ''}"


def free_word(attempt: Conversion, statement: ast.If) -> str:
    """A name for the condition."""
    used = {one.id for one in ast.walk(attempt.tree.scope(statement)) if isinstance(one, ast.Name)}
    return next(word for word in ("chosen", "on_device", "decided_") if word not in used)


def _both(attempt: Conversion, statement: ast.If, condition: str) -> Side:
    """The sides of an `if` together."""
    then, other = side_of(attempt, statement.body), _other(attempt, statement)
    if then.each and not (then.returned or then.values or statement.orelse):
        return then
    if then.each or other.each:
        raise UnfitError
    if then.returned:
        other = other if statement.orelse else _following(attempt, statement)
        return _returned(attempt, condition, then, other)
    if other.returned:
        raise UnfitError
    found = Side(names={**other.names, **then.names})
    written: set[str] = set()
    for name in {**then.values, **other.values}:
        one, two = (side.values.get(name) or _kept(attempt, statement, found.names[name]) for side in (then, other))
        if written & (one.reads | two.reads):
            raise UnfitError  # it would read what the line before has chosen
        written.add(name)
        found.values[name] = _choice(attempt, condition, one, two)
    return found


def _returned(attempt: Conversion, condition: str, then: Side, other: Side) -> Side:
    if (len(then.returned), then.several) != (len(other.returned), other.several):
        raise UnfitError
    pairs = zip(then.returned, other.returned, strict=True)
    return Side(returned=tuple(_choice(attempt, condition, *pair) for pair in pairs), several=then.several)


def _choice(attempt: Conversion, condition: str, one: sides.Value, two: sides.Value) -> sides.Value:
    found = sides.choice(attempt, condition, one, two)
    if found is None or (one.text != two.text and "constant" in (one.seen.kind, two.seen.kind)):
        raise UnfitError
    return found


def _other(attempt: Conversion, statement: ast.If) -> Side:
    """What the `else` does, or the next `elif`."""
    first = statement.orelse[0] if statement.orelse else None
    if len(statement.orelse) == 1 and isinstance(first, ast.If):
        condition = conditions.on_device(attempt.tree, first.test, attempt.text)
        if not condition or kind_of(attempt.tree, first.test) not in (MASK, TENSOR):
            raise UnfitError
        return _both(attempt, first, condition)
    return side_of(attempt, statement.orelse)


def _following(attempt: Conversion, statement: ast.If) -> Side:
    """What comes after an `if` that returns, if that is only another `return`."""
    return side_of(attempt, [one for one in [conditions.following(attempt.tree, statement)] if one is not None])


def _kept(attempt: Conversion, statement: ast.If, name: ast.Name) -> sides.Value:
    """What a name was before, for the side that does not give it a value."""
    if not conditions.is_bound_before(attempt.tree, statement, name.id):
        raise UnfitError
    return sides.Value(name.id, sides.seen(attempt, name), frozenset({name.id}))
