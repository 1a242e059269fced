"""One side of an `if`: the value of each name that it gives one, and what it returns, if it does nothing else."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from compile_doctor.source import conditions
from compile_doctor.source.code_of import code_of
from compile_doctor.source.conversion import sides
from compile_doctor.source.conversion.updates import is_own
from compile_doctor.source.vocabulary import OPERATORS, SIGNS

if TYPE_CHECKING:
    from compile_doctor.source.conversion.attempt import Conversion


class UnfitError(Exception):
    """A side does something that the device cannot choose."""


@dataclass
class Side:
    """The value of each name that one side gives one, and what it returns."""

    values: dict[str, sides.Value] = field(default_factory=dict)
    names: dict[str, ast.Name] = field(default_factory=dict)
    returned: tuple[sides.Value, ...] = ()
    each: dict[str, ast.ListComp] = field(default_factory=dict)
    """`grads = [g * c for g in grads]`: a list whose elements it changes one by one."""
    several: bool = False
    """Whether it returns a tuple."""


def side_of(attempt: Conversion, body: list[ast.stmt]) -> Side:
    """Raises UnfitError if the statements do more than compute values."""
    side = Side()
    for one in body:
        if side.returned:
            raise UnfitError
        if isinstance(one, ast.Return) and one.value is not None:
            side.several = isinstance(one.value, ast.Tuple)
            parts = one.value.elts if isinstance(one.value, ast.Tuple) else [one.value]
            side.returned = tuple(_returned(attempt, side, part) for part in parts)
        elif isinstance(one, ast.Assign) and len(one.targets) == 1:
            _assign(attempt, side, one.targets[0], one.value)
        elif isinstance(one, ast.AugAssign) and isinstance(one.target, ast.Name):
            _change(attempt, side, one)
        elif not isinstance(one, ast.Pass):
            raise UnfitError
    return side


def _returned(attempt: Conversion, side: Side, node: ast.expr) -> sides.Value:
    """A part of what is returned: a constant such as None only goes with the same one."""
    if isinstance(node, ast.Constant) and not isinstance(node.value, (int, float)):
        return sides.Value(code_of(node), sides.Seen("constant", None, True, True), frozenset())
    return value(attempt, side, node)


def _assign(attempt: Conversion, side: Side, target: ast.expr, given: ast.expr) -> None:
    if isinstance(target, ast.Name) and isinstance(given, ast.ListComp) and _is_each(attempt, target, given):
        if side.values or side.each:
            raise UnfitError
        side.each[target.id] = given
        return
    pairs = [(target, given)]
    if isinstance(target, ast.Tuple) and isinstance(given, ast.Tuple) and len(target.elts) == len(given.elts):
        pairs = list(zip(target.elts, given.elts, strict=True))
    for name, found in [(name, value(attempt, side, one)) for name, one in pairs]:
        if not isinstance(name, ast.Name):
            raise UnfitError
        side.values[name.id], side.names[name.id] = found, name


def _is_each(attempt: Conversion, target: ast.Name, given: ast.ListComp) -> bool:
    one = given.generators[0]
    plain = len(given.generators) == 1 and not one.ifs and isinstance(one.target, ast.Name)
    return plain and code_of(one.iter) == target.id and sides.is_value(attempt.tree, given.elt)


def _change(attempt: Conversion, side: Side, statement: ast.AugAssign) -> None:
    """`y -= z`, which changes a tensor in place: the same as a new one if nothing else has its memory."""
    target = statement.target
    assert isinstance(target, ast.Name)
    if not isinstance(statement.op, OPERATORS) or not is_own(attempt, target):
        raise UnfitError
    before, after = side.values.get(target.id), value(attempt, side, statement.value)
    text = f"({before.text})" if before else target.id
    operand = after.text if conditions.is_one(statement.value) else f"({after.text})"
    found = sides.calculated(attempt, target, statement.value)
    side.values[target.id] = sides.Value(
        f"{text} {SIGNS[type(statement.op)]} {operand}", found, after.reads | {target.id}
    )
    side.names[target.id] = target


def value(attempt: Conversion, side: Side, node: ast.expr) -> sides.Value:
    """An expression in which the names that this side has assigned are replaced by their values."""
    if not sides.is_value(attempt.tree, node):
        raise UnfitError
    loads = [one for one in ast.walk(node) if isinstance(one, ast.Name)]
    known = [one for one in loads if one.id in side.values]
    filled: dict[ast.AST, str] = {one: f"({side.values[one.id].text})" for one in known}
    reads = {one.id for one in loads if one not in known}.union(*(side.values[one.id].reads for one in known))
    text = attempt.whole(node, filled)
    return sides.Value(text, sides.seen(attempt, node), frozenset(reads))
