"""An `if` on a tensor whose sides only compute values, as code in which the device chooses between them."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from compile_doctor.source import conditions
from compile_doctor.source.conversion import sides
from compile_doctor.source.value_uses import values_of
from compile_doctor.source.values import is_fresh, kind_of
from compile_doctor.source.vocabulary import MASK, NUMBER, OPERATORS, SIGNS, TENSOR

if TYPE_CHECKING:
    from compile_doctor.source.conversion.attempt import Conversion


class _UnfitError(Exception):
    """A side does something that the device cannot choose."""


@dataclass
class _Side:
    """The value of each name that one side gives one, and what it returns."""

    values: dict[str, sides.Value] = field(default_factory=dict)
    names: dict[str, ast.Name] = field(default_factory=dict)
    returned: sides.Value | None = None


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
    except _UnfitError:
        return None
    note = sides.note([*side.values.values(), *([side.returned] if side.returned else [])])
    if side.returned is not None:
        return None if side.values else Chosen(f"return {side.returned.text}", (), note)
    lines = [f"{name} = {value.text}" for name, value in side.values.items()]
    if len(lines) > 1:
        free = next(word for word in ("chosen", "on_device", "decided_") if word not in _names(attempt, statement))
        lines = [f"{free} = {condition}", *(line.replace(f"({condition}, ", f"({free}, ") for line in lines)]
    return Chosen("\n".join(lines), tuple(side.names.values()), note) if lines else None


def _both(attempt: Conversion, statement: ast.If, condition: str) -> _Side:
    """The sides of an `if` together."""
    then, other = _side(attempt, statement.body), _other(attempt, statement)
    if then.returned is not None:
        other = other if statement.orelse else _following(attempt, statement)
        if other.returned is None or then.values or other.values:
            raise _UnfitError
        return _Side(returned=_choice(attempt, condition, then.returned, other.returned))
    if other.returned is not None:
        raise _UnfitError
    found = _Side(names={**other.names, **then.names})
    written: set[str] = set()
    for name in {**then.values, **other.values}:
        one, two = (side.values.get(name) or _kept(attempt, statement, found.names[name]) for side in (then, other))
        if written & (one.reads | two.reads):
            raise _UnfitError  # it would read what the line before has chosen
        written.add(name)
        found.values[name] = _choice(attempt, condition, one, two)
    return found


def _choice(attempt: Conversion, condition: str, one: sides.Value, two: sides.Value) -> sides.Value:
    found = sides.choice(attempt, condition, one, two)
    if found is None:
        raise _UnfitError
    return found


def _other(attempt: Conversion, statement: ast.If) -> _Side:
    """What the `else` does, or the next `elif`."""
    first = statement.orelse[0] if statement.orelse else None
    if len(statement.orelse) == 1 and isinstance(first, ast.If):
        condition = conditions.on_device(attempt.tree, first.test, attempt.text)
        if not condition or kind_of(attempt.tree, first.test) not in (MASK, TENSOR):
            raise _UnfitError
        return _both(attempt, first, condition)
    return _side(attempt, statement.orelse)


def _following(attempt: Conversion, statement: ast.If) -> _Side:
    """What comes after an `if` that returns, if that is only another `return`."""
    return _side(attempt, [one for one in [conditions.following(attempt.tree, statement)] if one is not None])


def _side(attempt: Conversion, body: list[ast.stmt]) -> _Side:
    side = _Side()
    for one in body:
        if side.returned is not None:
            raise _UnfitError
        if isinstance(one, ast.Return) and one.value is not None:
            side.returned = _value(attempt, side, one.value)
        elif isinstance(one, ast.Assign) and len(one.targets) == 1:
            _assign(attempt, side, one.targets[0], one.value)
        elif isinstance(one, ast.AugAssign) and isinstance(one.target, ast.Name):
            _change(attempt, side, one)
        elif not isinstance(one, ast.Pass):
            raise _UnfitError
    return side


def _assign(attempt: Conversion, side: _Side, target: ast.expr, value: ast.expr) -> None:
    pairs = [(target, value)]
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        pairs = list(zip(target.elts, value.elts, strict=True))
    for name, found in [(name, _value(attempt, side, one)) for name, one in pairs]:
        if not isinstance(name, ast.Name):
            raise _UnfitError
        side.values[name.id], side.names[name.id] = found, name


def _change(attempt: Conversion, side: _Side, statement: ast.AugAssign) -> None:
    """`y -= z`, which changes a tensor in place: the same as a new one if nothing else has its memory."""
    target = statement.target
    assert isinstance(target, ast.Name)
    if not isinstance(statement.op, OPERATORS) or not is_own(attempt, target):
        raise _UnfitError
    before, after = side.values.get(target.id), _value(attempt, side, statement.value)
    text = f"({before.text})" if before else target.id
    operand = after.text if conditions.is_one(statement.value) else f"({after.text})"
    found = sides.calculated(attempt, target, statement.value)
    side.values[target.id] = sides.Value(
        f"{text} {SIGNS[type(statement.op)]} {operand}", found, after.reads | {target.id}
    )
    side.names[target.id] = target


def is_own(attempt: Conversion, name: ast.Name) -> bool:
    """Whether a name stands for a number, or for a tensor that the function made itself and that has no other name."""
    values = values_of(attempt.tree, name)
    fresh = bool(values) and all(is_fresh(value) for value in values) and not attempt.tree.is_parameter(name)
    aliased = any(
        isinstance(one, ast.Assign) and isinstance(one.value, ast.Name) and one.value.id == name.id
        for one in ast.walk(attempt.tree.scope(name))
    )
    return kind_of(attempt.tree, name) == NUMBER or (fresh and not aliased)


def _value(attempt: Conversion, side: _Side, node: ast.expr) -> sides.Value:
    """An expression in which the names that this side has assigned are replaced by their values."""
    if not sides.is_value(attempt.tree, node):
        raise _UnfitError
    loads = [one for one in ast.walk(node) if isinstance(one, ast.Name)]
    known = [one for one in loads if one.id in side.values]
    filled: dict[ast.AST, str] = {one: f"({side.values[one.id].text})" for one in known}
    reads = {one.id for one in loads if one not in known}.union(*(side.values[one.id].reads for one in known))
    text = attempt.whole(node, filled)
    return sides.Value(text, sides.seen(attempt, node), frozenset(reads))


def _kept(attempt: Conversion, statement: ast.If, name: ast.Name) -> sides.Value:
    """What a name was before, for the side that does not give it a value."""
    if not conditions.is_bound_before(attempt.tree, statement, name.id):
        raise _UnfitError
    return sides.Value(name.id, sides.seen(attempt, name), frozenset({name.id}))


def _names(attempt: Conversion, statement: ast.If) -> set[str]:
    return {one.id for one in ast.walk(attempt.tree.scope(statement)) if isinstance(one, ast.Name)}
