"""Messages, and the values that only they need, are left out of compiled code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libcst as cst

from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import COMPILING, Candidate, Site, names, only, walk

_METHODS = {"debug", "info", "warning", "error", "exception", "critical", "log", "warn", "add_scalar", "warning_once"}
_MOST = 8
"""Statements that move together at most."""


def propose(site: Site) -> Iterator[Candidate]:
    moved = _moved(site)
    if not moved:
        return
    changes: dict[cst.CSTNode, Any] = {}
    for run in _runs(site.siblings(moved[0]), moved):
        changes |= {one: cst.RemoveFromParent() for one in run[1:]}
        changes[run[0]] = _guarded(run)
    what = "the message" if len(moved) == 1 else "the message and what only it needs"
    yield Candidate(f"leaves {what} out of compiled code", site.source.edited(changes))


def _moved(site: Site) -> list[Any]:
    """The message at the line, or those for which the line's value is; with what only they need. Empty if not so."""
    start = site.statement
    if start is None or not isinstance(start, cst.SimpleStatementLine) or site.function is None:
        return []
    block = site.siblings(start)
    moved = [start] if is_message(start) else _readers(site, start, block)
    grown = True
    while grown and 0 < len(moved) <= _MOST:
        grown = False
        for one in block:
            if one not in moved and _target(one) and _pure(one) and _only_for(site, _target(one), one, moved):
                moved, grown = [*moved, one], True
    return sorted(moved, key=lambda one: site.source.lines(one)) if len(moved) <= _MOST else []


def _readers(site: Site, start: Any, block: Any) -> list[Any]:
    """The assignment at the line with the messages that read it, if nothing else does."""
    name = _target(start)
    messages = [one for one in block if is_message(one) and name in names(one)]
    return [start, *messages] if name and messages and _only_for(site, name, start, messages) else []


def _only_for(site: Site, name: str, assigned: Any, readers: list[Any]) -> bool:
    """Whether a name is read nowhere in the function but in these statements."""
    assert site.function is not None
    everywhere = names(site.function).count(name)
    inside = sum(names(one).count(name) for one in (assigned, *(one for one in readers if one is not assigned)))
    return everywhere == inside and any(name in names(one) for one in readers)


def is_message(statement: Any) -> bool:
    """Whether a statement only prints, logs or warns."""
    small = only(statement)
    if not (isinstance(small, cst.Expr) and isinstance(small.value, cst.Call)):
        return False
    function = small.value.func
    if isinstance(function, cst.Name):
        return function.value == "print"
    return isinstance(function, cst.Attribute) and function.attr.value in _METHODS


def _target(statement: Any) -> str:
    """The plain name that a statement assigns; empty if it does something else."""
    small = only(statement)
    if isinstance(small, cst.Assign) and len(small.targets) == 1 and isinstance(small.targets[0].target, cst.Name):
        return small.targets[0].target.value
    return ""


def _pure(statement: Any) -> bool:
    """Whether it has no effect that its text shows, such as `x.add_(1)`; what calls do inside, the run shows."""
    calls = [node.func for node in walk(statement) if isinstance(node, cst.Call)]
    return not any(isinstance(one, cst.Attribute) and one.attr.value.endswith("_") for one in calls)


def _runs(block: Any, moved: list[Any]) -> list[list[Any]]:
    """The moved statements, those that follow each other in one list."""
    runs: list[list[Any]] = []
    for before, one in zip((None, *block), block):
        if one in moved:
            if before is not None and before in moved:
                runs[-1].append(one)
            else:
                runs.append([one])
    return runs


def _guarded(run: list[Any]) -> cst.If:
    bare = [run[0].with_changes(leading_lines=[]), *run[1:]]
    test = cst.UnaryOperation(operator=cst.Not(), expression=cst.parse_expression(COMPILING))
    return cst.If(test=test, body=cst.IndentedBlock(body=bare), leading_lines=run[0].leading_lines)


REWRITE = Rewrite(
    "messages-outside",
    ("print", "logging", "warnings", "tensor-item", "tensor-tolist", "tensor-to-string", "object-to-string"),
    propose,
    rank=20,
)
