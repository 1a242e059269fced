"""The function that a name means at a line: one of the file, a method of `self`, or of the class of an object."""

from __future__ import annotations

from typing import Any

import libcst as cst

from compile_doctor.mend.site import Source, only, walk


def function_of(source: Source, line: int, name: str) -> Any:
    """The function of a name, as the line knows it: one of this file, a method of `self`, or of the class of an object."""
    owner, _, last = name.rpartition(".")
    at = [node for node in walk(source.module) if isinstance(node, cst.ClassDef) and covers(source, node, line)]
    made = only(_assigned(source, owner)) if owner else None
    wanted = source.code(made.value.func) if made and isinstance(made.value, cst.Call) else ""
    found = [
        node
        for node in walk(source.module)
        if isinstance(node, cst.FunctionDef) and node.name.value == last
        for around in [next((one for one in source.around(node) if isinstance(one, (cst.ClassDef, cst.Module))), None)]
        if (
            around in at
            if owner in ("self", "cls")
            else _is_class(around, wanted)
            if owner
            else _in_reach(source, node, line)
        )
    ]
    return found[0] if len(found) == 1 else None


def _is_class(node: Any, name: str) -> bool:
    return isinstance(node, cst.ClassDef) and node.name.value == name


def _in_reach(source: Source, function: cst.FunctionDef, line: int) -> bool:
    """Whether a plain name can mean the function at a line: it is at the top of the file, or of a function around the line."""
    around = [one for one in source.around(function) if isinstance(one, (cst.FunctionDef, cst.ClassDef))][1:]
    return not around or (isinstance(around[0], cst.FunctionDef) and covers(source, around[0], line))


def covers(source: Source, node: cst.CSTNode, line: int) -> bool:
    first, last = source.lines(node)
    return first <= line <= last


def _assigned(source: Source, name: str) -> Any:
    """The statement that gives a name its value; None if it is not one in this file."""
    for node in walk(source.module):
        assigned = only(node)
        if isinstance(assigned, cst.Assign) and name in [source.code(one.target) for one in assigned.targets]:
            return node
    return None


def is_local(source: Source, function: cst.FunctionDef) -> bool:
    """Whether it is made at each call of another function."""
    return any(isinstance(one, cst.FunctionDef) for one in source.around(function) if one is not function)
