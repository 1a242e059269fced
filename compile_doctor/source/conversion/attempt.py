"""Whether the code around a number works with the tensor that it was read from, and what it has to look like then.

A fix is made only if every use of the value was followed to its end and takes a tensor, as it is or written differently.
The rest of the user's expressions stays. Nothing is assumed: what the source does not show ends the search.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from compile_doctor.source.code_of import code_of
from compile_doctor.source.conversion import (
    arithmetic,
    bounds,
    calls,
    decisions,
    each,
    indexing,
    leaving,
    names,
    reads,
    texts,
)
from compile_doctor.source.rewriting import changed_lines, rewritten, statement_of
from compile_doctor.source.trees import Tree
from compile_doctor.source.values import is_numpy, is_tensor


@dataclass
class Conversion:
    """One attempt: `convert` says whether it holds, `lines` is the code."""

    tree: Tree
    statement: ast.stmt
    symbol: bool = False
    """Whether torch shall trace the number as a symbol (capture_scalar_outputs): then sizes take it, and no decision does."""
    edits: dict[ast.AST, str] = field(default_factory=dict)
    notes: dict[ast.AST, str] = field(default_factory=dict)
    followed: set[ast.AST] = field(default_factory=set)
    decided: set[ast.AST] = field(default_factory=set)
    copy: bool = False
    """Whether something keeps the value for later, or changes it."""
    unsure: bool = False
    """Whether something may have made a tensor of the number before."""
    before: dict[ast.AST, str] = field(default_factory=dict)
    """What was changed in the last round: of the parts of an expression that are followed after it."""
    calculates: bool = False
    """Whether the value goes into something that has a gradient."""

    def lines(self) -> str:
        """The statements that change, in the user's own words."""
        return "\n".join(changed_lines(self.tree, self.statement, self.edits, self.notes))

    def convert(self, numbers: list[ast.expr]) -> bool:
        """Whether tensors can take the place of the numbers that these expressions read, or are read as."""
        if any(is_numpy(self.tree, one) for one in numbers) or self._shares_its_line() or self._may_raise():
            return False
        for _ in range(3):  # the second time it is known what the values are used for, the third time what is inside
            self.before = dict(self.edits)
            self.edits.clear()
            self.notes.clear()
            self.followed.clear()
            self.decided.clear()
            for one in numbers:
                self.edits[one] = reads.tensor_of(self, one)
            if not all(self.value(one) for one in numbers):
                return False
        return True

    def put(self, node: ast.expr, text: str, *, is_number: bool) -> bool:
        """Whether other code can take the place of an expression: a 0-d tensor instead of a number, or one tensor for another."""
        self.edits[node] = text
        return not is_number or self.value(node)

    def decide(self, test: ast.expr) -> bool:
        """Whether the decision about a tensor can be made on the device."""
        return not is_numpy(self.tree, test) and not self._shares_its_line() and decisions.tested(self, test)

    def value(self, node: ast.expr) -> bool:
        """Whether what gets the value of this expression takes a 0-d tensor."""
        if node in self.followed:
            return True
        self.followed.add(node)
        parent = self.tree.parents.get(node)
        follow = _FOLLOW.get(type(parent))
        return follow is not None and follow(self, parent, node)

    def note(self, node: ast.AST, note: str) -> None:
        """What has to be known about the statement around a node."""
        at = statement_of(self.tree, node)
        if note:
            self.notes[at] = "; ".join(dict.fromkeys(filter(None, [*self.notes.get(at, "").split("; "), note])))

    def text(self, node: ast.AST) -> str:
        """The node with what has been changed so far."""
        parts = {one: text for one, text in self.before.items() if one is not node}
        return rewritten(self.tree, node, {**parts, **self.edits})

    def whole(self, node: ast.AST, filled: Mapping[ast.AST, str] | None = None) -> str:
        """The node with all that is changed in it, itself included; `filled` has more."""
        return rewritten(self.tree, node, {**self.before, **self.edits, **(filled or {})})

    def _may_raise(self) -> bool:
        """Whether the code waits for an error that only a number raises: 1 / 0 is an exception, 1 / tensor(0) is inf."""
        around = self.tree.around(self.statement, ast.Try)
        caught = [handler.type for handler in around.handlers if handler.type] if isinstance(around, ast.Try) else []
        names = {code_of(one) for kind in caught for one in ast.walk(kind) if isinstance(one, ast.expr)}
        return bool(names & {"ZeroDivisionError", "ArithmeticError", "OverflowError", "ValueError"})

    def _shares_its_line(self) -> bool:
        """`a = t.item(); b = u.item()`: torch names the line, and not which of its statements breaks."""
        line = self.statement.lineno
        return sum(isinstance(one, ast.stmt) and one.lineno == line for one in ast.walk(self.tree.root)) > 1


def _keyword(attempt: Conversion, parent: ast.keyword, node: ast.expr) -> bool:
    call = attempt.tree.parents.get(parent)
    return isinstance(call, ast.Call) and calls.argument(attempt, call, node, parent.arg or "**")


def _sign(attempt: Conversion, parent: ast.UnaryOp, node: ast.expr) -> bool:
    negated = isinstance(parent.op, (ast.Not, ast.Invert))
    return decisions.tested(attempt, node) if negated else attempt.value(parent)


def _compared(attempt: Conversion, parent: ast.Compare, node: ast.expr) -> bool:
    """A comparison with a tensor was one of tensors before, if Python does not decide by it."""
    around = attempt.tree.parents.get(parent)
    decides = isinstance(around, (ast.If, ast.While, ast.IfExp, ast.BoolOp, ast.Assert, ast.UnaryOp))
    others = [one for one in (parent.left, *parent.comparators) if one is not node]
    whole = len(others) == 1 and is_tensor(attempt.tree, others[0]) and not decides
    return (whole and not attempt.symbol) or decisions.tested(attempt, node)


def _choice(attempt: Conversion, parent: ast.IfExp, node: ast.expr) -> bool:
    return decisions.tested(attempt, node) if node is parent.test else attempt.value(parent)


def _named(attempt: Conversion, parent: ast.NamedExpr, _: ast.expr) -> bool:
    return names.follow(attempt, parent.target) and attempt.value(parent)


def _together(attempt: Conversion, parent: ast.Tuple | ast.List, node: ast.expr) -> bool:
    around = attempt.tree.parents.get(parent)
    if isinstance(around, ast.Subscript):
        return indexing.index(attempt, around, node)
    if attempt.symbol and isinstance(around, (ast.Call, ast.keyword)):
        return attempt.value(parent)
    if isinstance(around, ast.Assign):
        return names.unpacked(attempt, around, parent, node)
    return isinstance(around, ast.Return) and leaving.returned(attempt, around, inside=True)


def _attribute(attempt: Conversion, parent: ast.Attribute, node: ast.expr) -> bool:
    of_numbers = parent.attr in ("is_integer", "bit_length", "real", "imag", "conjugate", "hex")
    return is_tensor(attempt.tree, node) or (isinstance(node, ast.Name) and not of_numbers)


_FOLLOW: Mapping[type, Callable[[Conversion, Any, ast.expr], bool]] = {
    ast.keyword: _keyword,
    ast.Call: lambda attempt, parent, node: calls.argument(attempt, parent, node, ""),
    ast.BinOp: arithmetic.operand,
    ast.UnaryOp: _sign,
    ast.IfExp: _choice,
    ast.Compare: _compared,
    **dict.fromkeys(
        (ast.BoolOp, ast.If, ast.While, ast.Assert),
        lambda attempt, _, node: decisions.tested(attempt, node),
    ),
    ast.Subscript: lambda attempt, parent, node: node is parent.slice and indexing.index(attempt, parent, node),
    ast.Slice: lambda attempt, parent, _: bounds.bound(attempt, parent),
    **dict.fromkeys((ast.FormattedValue, ast.JoinedStr), lambda attempt, parent, _: texts.shown(attempt, parent)),
    **dict.fromkeys((ast.Tuple, ast.List), _together),
    ast.ListComp: each.element,
    ast.Dict: lambda attempt, parent, node: node in parent.values and leaving.collected(attempt, parent),
    ast.Return: lambda attempt, parent, _: leaving.returned(attempt, parent, inside=False),
    **dict.fromkeys(
        (ast.Assign, ast.AnnAssign, ast.AugAssign), lambda attempt, parent, _: names.assigned(attempt, parent)
    ),
    ast.NamedExpr: _named,
    ast.Attribute: _attribute,
    ast.Expr: lambda *_: True,
}
"""By what is around the expression with the value, how it is followed. What is not here does not take a tensor."""
