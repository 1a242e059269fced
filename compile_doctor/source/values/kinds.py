"""The kind of an expression: by what it is in the syntax tree, each with the code that looks at its parts."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from compile_doctor.source.code_of import code_of
from compile_doctor.source.trees import Tree
from compile_doctor.source.values import named, results
from compile_doctor.source.values.elements import elements
from compile_doctor.source.vocabulary import BOOL, DICT, FUNCTION, MASK, NUMBER, SEQUENCE, TENSOR, TEXT

ITSELF = "*"
"""The kind of a name in its own value: `x` in `x = x * 2`."""
_CONSTANTS = {bool: BOOL, int: NUMBER, float: NUMBER, complex: NUMBER, str: TEXT}


def kind_of(tree: Tree, node: ast.expr) -> str:
    """`tensor`, `mask`, `number`, …; empty if the source does not show it."""
    return Look(tree).kind(node)


def is_tensor(tree: Tree, node: ast.expr) -> bool:
    """Whether the source shows that it is a tensor."""
    return kind_of(tree, node) in (TENSOR, MASK)


def is_truth(tree: Tree, node: ast.expr) -> bool:
    """Whether it is a truth value: of Python, or of a tensor."""
    if isinstance(node, ast.Compare):
        return len(node.ops) == 1 and not _is_of_objects(node)
    return kind_of(tree, node) in (MASK, BOOL)


@dataclass(frozen=True)
class Look:
    """One look at an expression. `within`: the names whose values are being looked at."""

    tree: Tree
    within: frozenset[str] = frozenset()

    def kind(self, node: ast.expr) -> str:
        look = _KINDS.get(type(node))
        return look(self, node) if look else ""

    def inside(self, name: str) -> Look:
        """A look at the values of a name."""
        return Look(self.tree, self.within | {name})

    def common(self, nodes: Iterable[ast.expr]) -> str:
        """The kind that all of them have."""
        kinds = {self.kind(one) for one in nodes} - {ITSELF}
        return TENSOR if kinds == {TENSOR, MASK} else kinds.pop() if len(kinds) == 1 else ""


def _is_of_objects(node: ast.Compare) -> bool:
    return isinstance(node.ops[0], (ast.Is, ast.IsNot, ast.In, ast.NotIn))


def _name(look: Look, node: ast.Name | ast.Attribute) -> str:
    return ITSELF if code_of(node) in look.within else named.kind(look, node)


def _compare(look: Look, node: ast.Compare) -> str:
    if len(node.ops) > 1 or _is_of_objects(node):
        return BOOL
    kinds = {look.kind(one) for one in (node.left, node.comparators[0])}
    return MASK if kinds & {TENSOR, MASK} else BOOL if "" not in kinds else ""


def _calculated(look: Look, node: ast.BinOp) -> str:
    left, right = look.kind(node.left), look.kind(node.right)
    if TEXT in (left, right):
        return TEXT
    if SEQUENCE in (left, right):
        return SEQUENCE
    if isinstance(node.op, (ast.BitAnd, ast.BitOr, ast.BitXor)):
        return MASK if MASK in (left, right) else ""
    if {left, right} & {TENSOR, MASK}:
        return TENSOR
    if ITSELF in (left, right):
        return ITSELF
    return NUMBER if {left, right} <= {NUMBER, BOOL} else ""


def _both(look: Look, node: ast.BoolOp) -> str:
    truths = all(is_truth(look.tree, one) for one in node.values)
    kinds = {look.kind(one) for one in node.values}
    return "" if not truths else MASK if MASK in kinds else BOOL if kinds == {BOOL} else ""


def _part(look: Look, node: ast.Subscript) -> str:
    seen = look.tree.seen(node)
    if seen is not None:
        return MASK if seen.dtype == "torch.bool" else TENSOR
    kind = look.kind(node.value)
    if kind in (TENSOR, MASK) or (kind == ITSELF and isinstance(node.slice, (ast.Slice, ast.Tuple, ast.Compare))):
        return kind
    if kind == "shape":
        return NUMBER
    found = elements(look.tree, node.value)
    return look.common(found) if found else ""


_KINDS: Mapping[type, Callable[[Look, Any], str]] = {
    **dict.fromkeys((ast.Name, ast.Attribute), _name),
    ast.Constant: lambda _, node: _CONSTANTS.get(type(node.value), ""),
    ast.Call: results.kind,
    ast.Compare: _compare,
    ast.BinOp: _calculated,
    ast.UnaryOp: lambda look, node: BOOL if isinstance(node.op, ast.Not) else look.kind(node.operand),
    ast.BoolOp: _both,
    ast.IfExp: lambda look, node: look.common([node.body, node.orelse]),
    ast.Subscript: _part,
    **dict.fromkeys((ast.List, ast.Tuple, ast.ListComp, ast.GeneratorExp, ast.Set), lambda *_: SEQUENCE),
    **dict.fromkeys((ast.Dict, ast.DictComp), lambda *_: DICT),
    ast.JoinedStr: lambda *_: TEXT,
    ast.Lambda: lambda *_: FUNCTION,
}
