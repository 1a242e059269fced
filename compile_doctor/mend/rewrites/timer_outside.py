"""A context manager that only measures or reports: compiled code passes through it, and is not cut at its clock."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import libcst as cst

from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import COMPILING, Candidate, Site, lines_of, only, walk

_REPORTS = re.compile(
    r"time\.(?:time|perf_counter|monotonic|process_time)(?:_ns)?|perf_counter(?:_ns)?|monotonic|print|round|len|str|int|float|max|min|sum"
    r"|torch\.(?:cuda|xpu|mps|accelerator)\.(?:synchronize|current_device|is_available|memory_allocated|max_memory_allocated)"
    r"|[\w.\[\]'\"]+\.(?:append|get|setdefault|format|debug|info|warning|error|log|add_scalar|join|total_seconds)"
    r"|(?:datetime\.)*datetime\.now|contextlib\.contextmanager"
)
"""Calls that neither change what the block computes, nor protect it."""


def propose(site: Site) -> Iterator[Candidate]:
    function = site.function
    if function is None:
        return
    changes: dict[cst.CSTNode, Any] = {}
    if _is_generator(site, function):
        if _only_reports(site, function.body) and _yields(function) == 1:
            changes = {function.body: _early(function.body, "    yield\n    return\n")}
    elif function.name.value in ("__enter__", "__exit__"):
        owner = next((one for one in site.source.around(function) if isinstance(one, cst.ClassDef)), None)
        both = {one.name.value: one for one in owner.body.body if isinstance(one, cst.FunctionDef)} if owner else {}
        enter, leave = both.get("__enter__"), both.get("__exit__")
        if enter and leave and all(_only_reports(site, one.body) and _passes(one) for one in (enter, leave)):
            changes = {
                enter.body: _early(enter.body, "    return self\n"),
                leave.body: _early(leave.body, "    return None\n"),
            }
    if changes:
        yield Candidate(
            "compiled code passes through the timer, which then measures and reports nothing",
            site.source.edited(changes),
        )


def _is_generator(site: Site, function: cst.FunctionDef) -> bool:
    made = [site.source.code(one.decorator) for one in function.decorators]
    return made in (["contextmanager"], ["contextlib.contextmanager"])


def _only_reports(site: Site, body: Any) -> bool:
    """Whether a body only calls what measures or reports, and sets no attribute but of `self`, and no global."""
    for node in walk(body):
        if isinstance(node, (cst.Global, cst.Nonlocal, cst.With, cst.Raise, cst.Del)):
            return False
        if isinstance(node, cst.Call) and not _REPORTS.fullmatch(site.source.code(node.func)):
            return False
        target = node.target if isinstance(node, (cst.AssignTarget, cst.AugAssign)) else None
        if isinstance(target, cst.Attribute) and site.source.code(target.value) != "self":
            return False
    return True


def _yields(function: cst.FunctionDef) -> int:
    """How many yields it has; 9 if one gives a value, which the block may need, or is no statement."""
    found = [node for node in walk(function.body) if isinstance(node, cst.Yield)]
    plain = all(one.value is None for one in found)
    return len(found) if plain else 9


def _passes(function: cst.FunctionDef) -> bool:
    """Whether it returns nothing but `self`, `None` or `False`: what `__exit__` returns may hide an exception."""
    values = [node.value for node in walk(function.body) if isinstance(node, cst.Return)]
    return all(one is None or (isinstance(one, cst.Name) and one.value in ("self", "None", "False")) for one in values)


def _early(body: Any, text: str) -> Any:
    """The body, with `if torch.compiler.is_compiling(): …` before it, behind the docstring."""
    first = body.body[0] if body.body else None
    small = only(first)
    after = 1 if isinstance(small, cst.Expr) and isinstance(small.value, cst.SimpleString) else 0
    added = lines_of(f"if {COMPILING}:\n{text}")
    return body.with_changes(body=[*body.body[:after], *added, *body.body[after:]])


REWRITE = Rewrite("timer-outside", ("clock", "print", "logging", "unsupported-context-manager"), propose, rank=19)
