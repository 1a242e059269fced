"""A table by type that the first call fills (einops' backends): one call at import fills it, so the second does not compile again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import libcst as cst

from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import Candidate, Site, Source, lines_of, names, walk

_TABLE = re.compile(r"(?:not |keys:|length:)([\w.]+)|not ___dict_contains\(.*, ([\w.]+)\)")
_TENSORS = {"a tensor": ("torch.empty(0)",), "a parameter": ("torch.empty(0)", "torch.nn.Parameter(torch.empty(0))")}
"""What is looked up: the types that reach a model."""


def propose(site: Site) -> Iterator[Candidate]:
    cause = _TABLE.fullmatch(site.finding.cause)
    if cause is None:
        return
    module, _, table = (cause[1] or cause[2]).rpartition(".")
    own = _filler(site.source, table)
    package = None if own else _filler(_source_of(module), table)
    for what, tensors in _TENSORS.items():
        if package is not None:
            why = f"  # fills {table} before the first compiled call"
            lines = (f"import {module}", *(f"{module}.{package.name.value}({one}){why}" for one in tensors))
            yield Candidate(_title(what, package, table), settings=lines)
        elif own is not None:
            last = _last_needed(site.source, own)
            calls = "".join(f"{own.name.value}({one})\n" for one in tensors)
            added = lines_of(f"\n\n# fills {table} before the first compiled call\n{calls}")
            yield Candidate(_title(what, own, table), site.source.edited({last: cst.FlattenSentinel([last, *added])}))


def _title(what: str, function: cst.FunctionDef, table: str) -> str:
    return f"looks up {what} with {function.name.value} before the first call, which fills {table}"


def _source_of(module: str) -> Source | None:
    """A module of an installed package, by its name; it is not imported. None if there is none."""
    first, *rest = module.split(".")
    found = find_spec(first) if first else None
    places = (found.submodule_search_locations or []) if found and rest else []
    file = next((one for place in places if (one := Path(place, *rest).with_suffix(".py")).is_file()), None)
    return Source(file.read_text(encoding="utf-8")) if file else None


def _filler(source: Source | None, table: str) -> cst.FunctionDef | None:
    """The function of a file that looks up the type of its argument in a table of the file, and fills it."""
    found = source.module.body if source is not None else ()
    return next((one for one in found if isinstance(one, cst.FunctionDef) and _fills(source, one, table)), None)


def _fills(source: Any, function: cst.FunctionDef, table: str) -> bool:
    needed = [one for one in function.params.params if one.default is None]
    if len(needed) != 1 or table not in {name for one in source.module.body for name in _assigned(one)}:
        return False
    argument = needed[0].name.value
    types = [
        one
        for one in walk(function.body)
        if isinstance(one, cst.Call) and source.code(one.func) == "type" and argument in names(one)
    ]
    return bool(types) and any(_writes(source, one, table) for one in walk(function.body))


def _assigned(statement: Any) -> list[str]:
    """The plain names that a statement at the top of a module gives a value."""
    small = statement.body[0] if isinstance(statement, cst.SimpleStatementLine) else None
    targets = [one.target for one in small.targets] if isinstance(small, cst.Assign) else []
    targets += [small.target] if isinstance(small, cst.AnnAssign) else []
    return [one.value for one in targets if isinstance(one, cst.Name)]


def _writes(source: Source, node: cst.CSTNode, table: str) -> bool:
    """`table[key] = …`, also as one of several targets, and `table.setdefault(…)`."""
    if isinstance(node, cst.AssignTarget):
        return isinstance(node.target, cst.Subscript) and source.code(node.target.value) == table
    return isinstance(node, cst.Call) and source.code(node.func) in (f"{table}.setdefault", f"{table}.update")


def _last_needed(source: Source, function: cst.FunctionDef) -> Any:
    """The function, or the last statement at the top of its file that defines a name which it mentions, or those mention."""
    top = list(source.module.body)
    defined: dict[str, Any] = {}
    for one in top:
        made = [one.name.value] if isinstance(one, (cst.FunctionDef, cst.ClassDef)) else _assigned(one)
        defined |= dict.fromkeys(made, one)
    needed: list[Any] = [function]
    pending: list[Any] = [function]
    while pending:
        for name in names(pending.pop()):
            if name in defined and defined[name] not in needed:
                needed.append(defined[name])
                pending.append(defined[name])
    # subclasses of what it needs are found by `__subclasses__()`: they are needed too
    bases = {one.name.value for one in needed if isinstance(one, cst.ClassDef)}
    for one in top:
        if isinstance(one, cst.ClassDef) and bases & {name for base in one.bases for name in names(base.value)}:
            bases.add(one.name.value)
            needed.append(one)
    return max(needed, key=top.index)


REWRITE = Rewrite(
    "filled-table", (r"not [\w.]+", r"keys:.*", r"length:.*", r"not ___dict_contains\(.*"), propose, rank=55
)
