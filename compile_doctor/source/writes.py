"""Where the source writes an attribute or a key outside of constructors: state that changes while a model runs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from compile_doctor.source.names import dotted, parsed

GLOBAL = "global "
NONLOCAL = "nonlocal "
"""Before the name of a global in `writes`, or of a variable of a function around it: a local of the same name is another thing."""
_CONSTRUCTORS = frozenset({"__init__", "__new__", "__post_init__", "__init_subclass__", "setup", "<module>"})
_GROWS = frozenset({"append", "extend", "insert", "add", "update", "setdefault", "pop", "clear", "remove", "popitem"})
_LAST = re.compile(r"""(?:\.(\w+)|\[(['"])(\w+)\2\])(?:\[\d+\])*$""")


@dataclass(frozen=True)
class Write:
    """One statement that writes `name`, an attribute (`self.name = …`) or a key (`state["name"] = …`)."""

    name: str
    file: str
    line: int
    function: str


def last_name(source: str) -> str | None:
    """The attribute or key that a guard's source ends in: `cached` of `self.rot.cached`, None for a plain variable."""
    found = _LAST.search(source)
    return (found[1] or found[3]) if found else None


def writes(sources: Mapping[str, str], name: str, near: str | None = None) -> Iterator[Write]:
    """The writes of `name`, in the file `near` if it is given, else in all files; not those in constructors."""
    for file in [near] if near else sorted(sources):
        for found, line, function in _writes(sources.get(file, "")):
            if found == name:
                yield Write(name.removeprefix(GLOBAL).removeprefix(NONLOCAL), file, line, function)


@lru_cache(maxsize=64)
def _writes(text: str) -> tuple[tuple[str, int, str], ...]:
    tree = parsed(text)
    try:
        return tuple(_walk(tree, ())) if tree else ()
    except RecursionError:
        return ()


def _walk(node: ast.AST, path: tuple[str, ...]) -> Iterator[tuple[str, int, str]]:
    for child in ast.iter_child_nodes(node):
        inside = path
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            inside = (*path, child.name)
            for kind, prefix in ((ast.Global, GLOBAL), (ast.Nonlocal, NONLOCAL)):
                declared = {name for one in child.body if isinstance(one, kind) for name in one.names}
                yield from ((f"{prefix}{name}", line, ".".join(inside)) for name, line in _rebound(child, declared))
        elif path and not set(path) & _CONSTRUCTORS:
            yield from ((name, child.lineno, ".".join(path)) for name in _written(child))  # type: ignore[attr-defined]
        yield from _walk(child, inside)


def _rebound(function: ast.AST, names: set[str]) -> Iterator[tuple[str, int]]:
    """Where a function gives another value to names that it declares as global or nonlocal."""
    for one in ast.walk(function) if names else ():
        if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store) and one.id in names:
            yield one.id, one.lineno


def _written(node: ast.AST) -> Iterator[str]:
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, (ast.AugAssign, ast.AnnAssign)) and getattr(node, "value", None):
        targets = [node.target]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _GROWS:
        targets = [node.func.value] if isinstance(node.func.value, ast.Attribute) else []
    elif isinstance(node, ast.Call) and dotted(node.func) == "setattr" and len(node.args) == 3:
        key = node.args[1]
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            yield key.value
    for target in targets:
        for one in target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]:
            yield from _target(one)


def _target(node: ast.expr) -> Iterator[str]:
    """`self.a = …` writes a; `self.a["k"] = …` writes k, and a too, as it gains a key."""
    if isinstance(node, ast.Attribute):
        yield node.attr
    if isinstance(node, ast.Subscript):
        if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
            yield node.slice.value
        if isinstance(node.value, ast.Attribute):
            yield node.value.attr
