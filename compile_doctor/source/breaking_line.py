"""What the line of a graph break does, from its syntax tree: which expression reads a value, and the words for a fix.

Torch's reason states the operator. The line has the user's own expressions, and the lines after it how the value is used.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice

from compile_doctor.model.compilations import Given
from compile_doctor.model.stacks import Frame
from compile_doctor.source import draws
from compile_doctor.source.assigned import values_of
from compile_doctor.source.branches import branches, leaves
from compile_doctor.source.constants import constant_buffer
from compile_doctor.source.entering import Whose, entering
from compile_doctor.source.finders import (
    calls,
    disabled,
    draws_of,
    masks,
    numbers,
    numpy_calls,
    plain,
    rounds_of,
    routing,
    slices,
    stores,
)
from compile_doctor.source.trees import Tree, called, expressions_of, tree_of
from compile_doctor.source.value_uses import Use, uses_of
from compile_doctor.source.values import elements, kind_of
from compile_doctor.source.vocabulary import MASK, NUMBER, TENSOR

LONGEST = 160
"""Characters of an expression that a fix quotes."""
LARGEST, MOST = 1_000, 16
"""Parts of a statement that is read, and expressions of one kind in it: each asks where all the others come from."""


@dataclass(frozen=True)
class Reading:
    """One expression of the line."""

    kind: str
    """`item`, `tolist`, `int`, `truth`, `slice`, `mask`, …, or `call:NAME` for the call of a function."""
    use: str
    """What its value is used for, as in source/value_uses.py; empty if nothing was found."""
    words: Mapping[str, str] = field(default_factory=dict)
    """Words for a fix: `tensor`, `call`, `line`, `plain` (the line without the read), `in`, `container`, …"""


def readings(text: str, line: int, kinds: Iterable[str], inputs: tuple[Given, ...] = ()) -> tuple[Reading, ...]:
    """The expressions of these kinds in the statement at a line, in the order of `kinds`.

    `inputs`: the tensors that the function around the line was seen to read.
    """
    return tuple(reading for kind in kinds for reading in _readings(text, line, kind, inputs))


def called_at(text: str, line: int, frame: Frame | None, sources: Mapping[str, str]) -> tuple[str, ...]:
    """What the statement at a line calls to run the function of a frame: `propagate`, or `self.encoder.forward` of a module.

    Several if they are modules of the class that has the function. Empty if one of several calls may be the one, or if what
    is called has no name to give a new value to before the model runs: the result of another call, a class, or a variable
    of the function.
    """
    entered = frame.function if frame else ""
    tree = tree_of(text)
    statement = tree.statement(line) if tree else None
    calls = [node for node in expressions_of(statement) if isinstance(node, ast.Call)] if statement else []
    if tree is None or statement is None or not calls or entered in ("__init__", "__new__"):
        return ()
    modules = [one for one in calls if any(isinstance(value, ast.Call) for value in values_of(tree, one.func))]
    named = [one for one in calls if entered in (called(one), tree.names.of(one.func).rpartition(".")[2])]
    whose = entering(tree, modules, frame, sources) if frame and entered == "forward" else Whose([], sure=False)
    likely = named or whose.calls or calls
    different = sorted({tree.source(one.func) for one in likely})
    if len(different) > 1 and (named or not whose.sure):
        return ()
    if any(not _DOTTED.fullmatch(one) or _is_variable(tree, statement, one.split(".")[0]) for one in different):
        return ()
    module = any(one in modules for one in likely) and isinstance(likely[0].func, ast.Attribute)
    return tuple(one + (".forward" if module and entered != "__call__" else "") for one in different)


def _is_variable(tree: Tree, statement: ast.stmt, name: str) -> bool:
    """Whether a name has its value only while the function runs: nothing can be set on it before."""
    function = tree.scope(statement)
    if function is tree.root or name in ("self", "cls"):
        return False
    return any(
        (isinstance(one, ast.Name) and one.id == name and isinstance(one.ctx, ast.Store))
        or (isinstance(one, ast.arg) and one.arg == name)
        for one in ast.walk(function)
    )


_DOTTED = re.compile(r"[\w.]+")


@lru_cache(maxsize=512)
def _readings(text: str, line: int, kind: str, inputs: tuple[Given, ...]) -> tuple[Reading, ...]:
    tree = tree_of(text, line if inputs else 0, inputs)
    statement = tree.statement(line) if tree else None
    if tree is None or statement is None or isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return ()
    nodes = sorted(expressions_of(statement), key=lambda node: getattr(node, "lineno", 0) != line)
    if len(nodes) > LARGEST:
        return ()
    try:
        if kind == "truth":
            return tuple(Reading(kind, use, words) for use, words in branches(tree, statement, nodes))
        every = (found for node in nodes for found in [_reading(tree, statement, node, kind)] if found)
        return tuple(islice(every, MOST))
    except RecursionError:  # a line that is nested too deeply to be written again
        return ()


def _reading(tree: Tree, statement: ast.stmt, node: ast.expr, kind: str) -> Reading | None:
    found = _FINDERS.get(kind, calls.named)(tree, node, kind)
    if found is None:
        return None
    uses = uses_of(tree, node)
    use = uses[0] if uses else None
    number = kind in ("item", "math") or kind in numbers.CONVERSIONS
    if number and use is not None and use.kind == "comparison" and _is_of_tensors(tree, node, use.node):
        use = Use("arithmetic", use.node)
    words = {**_common(tree, statement, node, use), **found}
    words |= slices.of_use(tree, node, use, words) if use is not None else {}
    words["leaves"] = (
        "yes" if use is not None and use.kind in ("comparison", "condition") and leaves(tree, use.node) else ""
    )
    words["sizes-too"] = "yes" if any(one.kind == "view" for one in uses[1:]) else ""
    words["sized"] = next((tree.source(one.node) for one in uses[1:] if one.kind == "size"), "")
    words["hashed"] = "yes" if use is not None and use.kind == "kept" and _method(use.node) == "add" else ""
    words |= constant_buffer(tree, node) or {}
    if isinstance(node, ast.Call) and kind in ("item", "int", "float", "round", "math"):
        words |= numbers.converted(tree, statement, node)
    short = {
        name: word for name, word in words.items() if word and (len(word) <= LONGEST or name in ("converted", "routed"))
    }
    return Reading(kind, use.kind if use else "", short)


def _method(node: ast.AST) -> str:
    return called(node) if isinstance(node, ast.Call) else ""


def _is_of_tensors(tree: Tree, node: ast.expr, comparison: ast.AST) -> bool:
    """Whether a comparison is one of tensors anyway, so that no decision of Python needs the number."""
    parts = [comparison.left, *comparison.comparators] if isinstance(comparison, ast.Compare) else []
    reads = {node.id} if isinstance(node, ast.Name) else set()
    others = [one for one in parts if node not in ast.walk(one) and not (isinstance(one, ast.Name) and one.id in reads)]
    around = tree.parents.get(comparison)
    decides = isinstance(around, (ast.If, ast.While, ast.IfExp, ast.BoolOp, ast.Assert, ast.UnaryOp))
    return len(parts) == 2 and not decides and any(kind_of(tree, one) in (TENSOR, MASK) for one in others)


def _common(tree: Tree, statement: ast.stmt, node: ast.expr, use: Use | None) -> dict[str, str]:
    words = {"call": tree.source(node), "line": tree.head(statement)}
    if isinstance(statement, ast.Expr):
        words["alone"] = words["line"]
    if use is not None:
        words["in"] = tree.source(use.node) if isinstance(use.node, ast.expr) else tree.head(use.node)
        words["container"] = tree.source(use.container) if use.container is not None else ""
        kinds = {kind_of(tree, one) for one in elements(tree, use.container)} if use.container is not None else set()
        if kinds == {NUMBER}:
            words["numbers"] = words["container"]
        elif kinds and kinds <= {TENSOR, MASK}:
            words["tensors"] = words["container"]
    return words


_FINDERS: Mapping[str, Callable[[Tree, ast.expr, str], dict[str, str] | None]] = {
    "tolist": numbers.method,
    "item": numbers.method,
    **dict.fromkeys(numbers.CONVERSIONS, numbers.conversion),
    "math": numbers.of_math,
    "indexed": numbers.indexed,
    "picked": numbers.picked,
    "output": plain.output,
    "entered": plain.entered,
    "drawn": draws_of.drawn_before,
    "slice": slices.bounded,
    "packed": calls.packed,
    "gone-through": rounds_of.gone_through,
    "mask": masks.mask,
    "mask-store": masks.mask,
    "data": stores.data,
    "stored-item": stores.item,
    "stored-attribute": stores.attribute,
    "grad-fn": stores.grad_fn,
    "routed": routing.routed,
    "plain": plain.without_tensors,
    "disabled": disabled.disabled,
    "numpy": numpy_calls.of_numpy,
    **dict.fromkeys(draws.MODULES, draws_of.drawn_here),
}
"""By kind, what finds it in an expression. Any other kind is `call:NAME`."""
