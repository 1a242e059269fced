"""Which of several modules that a line calls ran a function of a package: the one whose class has that function."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compile_doctor.model.stacks import Frame
from compile_doctor.source.assigned import values_of
from compile_doctor.source.classes import classes_named
from compile_doctor.source.locations import module_of
from compile_doctor.source.names import dotted
from compile_doctor.source.trees import FUNCTIONS, Tree, tree_of

_CALL_OTHERS = frozenset({"Sequential", "Transformer", "TransformerEncoder", "TransformerDecoder", "DataParallel"})
"""Modules of torch that run modules which they are given: the function may be one of those."""


@dataclass(frozen=True)
class Whose:
    """Calls of modules."""

    calls: list[ast.Call]
    sure: bool
    """Whether each of them has the function; otherwise each may have it."""


def entering(tree: Tree, modules: Sequence[ast.Call], frame: Frame, sources: Mapping[str, str]) -> Whose:
    """Those calls of modules that are known to run the function of a frame; else those that may."""
    inner = tree_of(sources.get(frame.file, ""))
    statement = inner.statement(frame.line) if inner else None
    owner = inner.around(statement, ast.ClassDef) if inner and statement else None
    if not isinstance(owner, ast.ClassDef):
        return Whose(list(modules), sure=False)
    known = {one: _runs(tree, one, owner, frame, sources) for one in modules}
    sure = [one for one in modules if known[one]]
    return Whose(sure or [one for one in modules if known[one] is None], bool(sure))


def _runs(tree: Tree, call: ast.Call, owner: ast.ClassDef, frame: Frame, sources: Mapping[str, str]) -> bool | None:
    """Whether a module is one of a class with the function; None if its class is unknown."""
    made = [one.func for one in values_of(tree, call.func) if isinstance(one, ast.Call)]
    name = tree.names.of(made[0]) if len(made) == 1 else ""
    if name.startswith("torch.nn.") and not module_of(frame.file).startswith("torch."):
        return None if name.split(".")[-1] in _CALL_OTHERS else False
    return _has(name.split(".")[-1], owner, frame.function, sources, set()) if name else None


def _has(name: str, owner: ast.ClassDef, function: str, sources: Mapping[str, str], seen: set[str]) -> bool | None:
    """Whether the first class that defines a function, of a class and those that it is made from, is a certain one."""
    if name == owner.name:
        return True
    classes = classes_named(sources, name)
    if len(classes) != 1 or name in seen:
        return None
    if any(isinstance(one, FUNCTIONS[:2]) and one.name == function for one in classes[0].body):
        return False
    bases = [dotted(base).split(".")[-1] for base in classes[0].bases]
    return _has(bases[0], owner, function, sources, {*seen, name}) if len(bases) == 1 and bases[0] else None


def method_of(sources: Mapping[str, str], frame: Frame) -> tuple[str, str] | None:
    """The module and the name of a package's method that a frame runs: it can be replaced in its class.

    None for a function, which other modules have imported by its name, and for a method that is made from another one.
    """
    tree = tree_of(sources.get(frame.file, ""))
    statement = tree.statement(frame.line) if tree else None
    function = tree.around(statement, FUNCTIONS) if tree and statement else None
    owner = tree.parents[function] if tree and function else None
    module = module_of(frame.file)
    if tree is None or not module or not isinstance(function, ast.FunctionDef) or not isinstance(owner, ast.ClassDef):
        return None
    plain = owner in tree.root.body and not function.decorator_list and not function.name.startswith("__")
    return (module, f"{owner.name}.{function.name}") if plain and function.name == frame.function else None
