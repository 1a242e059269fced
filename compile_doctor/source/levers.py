"""The conditions that decide whether a line runs, as far as they need no tensor: what a caller can set so that it does not.

Torch's record says that the line ran, so each condition around it was true (or false, on the other side); its syntax tree
says which. `if self.add_self_loops:` around a line, `if dim_size is None:`, and an early `return` before it are such.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeGuard, cast

from compile_doctor.source.assigned import values_of
from compile_doctor.source.breaking_code import breaks_too
from compile_doctor.source.code_of import code_of
from compile_doctor.source.names import dotted
from compile_doctor.source.trees import FUNCTIONS, Tree, called, expressions_of

_LONGEST = 30
"""Lines that a condition may decide about: one that chooses between two ways to do everything is no switch for a break."""
_LEAVES = (ast.Return, ast.Continue, ast.Break)
_OF_TENSORS = frozenset(
    [
        "shape",
        "ndim",
        "dim",
        "numel",
        "size",
        "device",
        "dtype",
        "requires_grad",
        "layout",
        "is_cuda",
        "is_sparse",
        "is_nested",
        "is_quantized",
        "is_floating_point",
        "grad",
        "grad_fn",
        "is_leaf",
        "names",
    ]
)
"""Attributes of tensors, which nobody sets to avoid a break."""


@dataclass(frozen=True)
class Lever:
    """One condition, and the name in it that decides it."""

    condition: str
    """As it is written: `dim_size is None`."""
    holds: bool
    """Whether it was true when the line ran."""
    line: int
    name: ast.expr
    """`dim_size`, `self.add_self_loops`, or the call `settings.debug.on()`."""
    value: str = ""
    """The value of `name` with which the line does not run, if there is one such: `False`; empty if it is another one than
    that which it has."""
    instead: bool = False
    """Whether something else is called if it is decided otherwise: by the other side of an `if`, or by an early `return`."""


def levers(tree: Tree, line: int, entered: str = "") -> tuple[Lever, ...]:
    """Those of the statement at a line, the innermost first; empty if it always runs in its function.

    `entered`: the function that the line calls on its way to a break. A condition whose other side calls it too, or
    breaks graphs itself, is none.
    """
    statement = tree.statement(line)
    if statement is None:
        return ()
    led = _leading(statement, entered)
    tests = [one for one in _tests(tree, statement, led) if not breaks_too(tree, one[2], led)]
    found = [
        replace(lever, instead=_calls(other)) for test, holds, other in tests for lever in _levers(tree, test, holds)
    ]
    return tuple({(one.condition, one.holds): one for one in found}.values())


def _leading(statement: ast.stmt, entered: str) -> frozenset[str]:
    """The names by which the statement calls a function; those of modules, for `forward`."""
    calls = [one for one in expressions_of(statement) if isinstance(one, ast.Call)]
    modules = [called(one) for one in calls if dotted(one.func).startswith("self.")] if entered == "forward" else []
    return frozenset(modules or filter(None, [entered]))


def _tests(tree: Tree, statement: ast.stmt, led: Collection[str]) -> Iterator[tuple[ast.expr, bool, Sequence[ast.AST]]]:
    """Expressions whose truth was seen, with that truth, and what runs instead if it is the other."""
    for node in expressions_of(statement):
        if isinstance(node, ast.BoolOp):  # the last part decides after the ones before it have let it
            last = _which(statement, node.values, led) if led else len(node.values) - 1
            yield from ((one, isinstance(node.op, ast.And), ()) for one in node.values[: max(last, 0)])
        if isinstance(node, ast.IfExp) and led:
            side = _which(statement, [node.body, node.orelse], led)
            if side >= 0:
                yield node.test, side == 0, [(node.orelse, node.body)[side]]
        elif isinstance(node, ast.IfExp) and _is_plain(node.body) != _is_plain(node.orelse):
            yield node.test, _is_plain(node.orelse), ()
    function, at = tree.scope(statement), cast(ast.AST, statement)
    while not isinstance(at, (*FUNCTIONS, ast.ClassDef, ast.Module)):
        parent = tree.parents[at]
        for name in ("body", "orelse", "finalbody"):
            block = getattr(parent, name, None)
            if not isinstance(block, list) or at not in block:
                continue
            for number, one in reversed([*enumerate(block[: block.index(at)])]):
                if _leaves(one) and _is_apart(function, led, block[number + 1 :]):
                    yield one.test, False, one.body
            if isinstance(parent, ast.If) and _is_apart(function, led, block):
                other = parent.orelse if name == "body" else parent.body
                after = _after(tree, parent) if not other and isinstance(block[-1], _LEAVES) else ()
                if not (other and isinstance(other[-1], ast.Raise)):
                    yield parent.test, name == "body", other or after
        at = parent


def _after(tree: Tree, statement: ast.stmt) -> Sequence[ast.stmt]:
    """The statements behind another one, in its block."""
    blocks = (getattr(tree.parents[statement], name, None) for name in ("body", "orelse", "finalbody"))
    block = next((one for one in blocks if isinstance(one, list) and statement in one), [])
    return block[block.index(statement) + 1 :] if block else ()


def _is_apart(function: ast.AST, led: Collection[str], side: list[ast.stmt]) -> bool:
    """Whether some statements are a part that can be left out: not most of the code, and the only way to a function."""
    inside = {node for one in side for node in ast.walk(one)}
    long = (side[-1].end_lineno or 0) - side[0].lineno > _LONGEST
    calls = (one for one in ast.walk(function) if isinstance(one, ast.Call) and called(one) in led)
    return not long and not any(one not in inside for one in calls)


def _leaves(statement: ast.stmt) -> TypeGuard[ast.If]:
    """Whether it is an `if` whose body ends the function or the round: what comes after it ran, so it was false."""
    return isinstance(statement, ast.If) and not statement.orelse and isinstance(statement.body[-1], _LEAVES)


def _which(statement: ast.stmt, parts: Sequence[ast.expr], led: Collection[str]) -> int:
    """The part of an expression that has the call which leads to the break; -1 if it is elsewhere, or may be."""
    calls = [one for one in expressions_of(statement) if isinstance(one, ast.Call)]
    likely = {one for one in calls if called(one) in led} or set(calls)
    inside = [likely & {*ast.walk(part)} for part in parts]
    return next((number for number, found in enumerate(inside) if found == likely), -1) if likely else -1


def _calls(side: Sequence[ast.AST]) -> bool:
    return any(isinstance(node, ast.Call) for one in side for node in ast.walk(one))


def _is_plain(node: ast.expr) -> bool:
    return isinstance(node, (ast.Name, ast.Constant)) or bool(dotted(node))


def _levers(tree: Tree, test: ast.expr, holds: bool) -> Iterator[Lever]:
    """The parts of a condition each of which alone would have kept the line from running."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        yield from _levers(tree, test.operand, not holds)
    elif isinstance(test, ast.BoolOp):
        if isinstance(test.op, ast.And) == holds:
            for one in test.values:
                yield from _levers(tree, one, holds)
    elif isinstance(test, ast.Name) and _is_condition(tree, test):
        yield from _levers(tree, values_of(tree, test)[0], holds)
    else:
        name, value = _decided_by(test, holds)
        if name is not None:
            yield Lever(tree.source(test), holds, test.lineno, name, value)


def _is_condition(tree: Tree, name: ast.Name) -> bool:
    """Whether the function gives a name its only value, which is another condition: `checkpointed = self.training and use`."""
    values = values_of(tree, name)
    return len(values) == 1 and isinstance(values[0], (ast.BoolOp, ast.UnaryOp, ast.Compare, ast.Attribute))


def _decided_by(test: ast.expr, holds: bool) -> tuple[ast.expr | None, str]:
    """The name that decides a condition, and the value with which it would be decided otherwise, if only one would."""
    if not isinstance(test, ast.Compare):
        return (test, str(not holds)) if _is_settable(test) else (None, "")
    left, right, sign = test.left, test.comparators[0], test.ops[0]
    if len(test.ops) > 1 or not _is_settable(left) or not _is_known(right):
        return None, ""
    equal = isinstance(sign, (ast.Is, ast.Eq))
    other = equal != holds and isinstance(sign, (ast.Is, ast.Eq, ast.IsNot, ast.NotEq))
    return left, code_of(right) if other else ""


def _is_settable(node: ast.expr) -> bool:
    """A name, an attribute, or a call without arguments, that is not one of a tensor or of torch."""
    called = isinstance(node, ast.Call) and not node.args and not node.keywords
    name = dotted(node.func if called else node)  # type: ignore[attr-defined]
    first, *rest = name.split(".")
    return bool(name) and first not in ("torch", "np", "math") and not _OF_TENSORS & set(rest)


def _is_known(node: ast.expr) -> bool:
    """A value that is written in the source: a constant, a list of such, a member of an enum."""
    if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        return all(map(_is_known, node.elts))
    if isinstance(node, ast.UnaryOp):
        return _is_known(node.operand)
    return isinstance(node, ast.Constant) or (bool(dotted(node)) and dotted(node).split(".")[-1].isupper())
