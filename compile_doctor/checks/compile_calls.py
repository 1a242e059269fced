"""Calls of torch.compile that compiled nothing, in words: what it returned was not called, or was called in vain."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.model.compilations import CalledInVain, NeverCalled
from compile_doctor.model.stacks import Frame
from compile_doctor.source.code_of import code_of

_IN_PLACE = ("Module._call_impl", "Module._wrapped_call_impl")
_TARGET = re.compile(r"torch\.compile\(\s*([A-Za-z_][\w.]*)\s*[,)]")


@dataclass(frozen=True)
class Words:
    """What is said about such a call."""

    place: Frame
    cause: str
    message: str
    fix: str = ""
    """Empty if the call does not show what to do."""


def words(seen: AnalysisContext) -> Words | None:
    """About the first call in the user's code, an unused one before one in vain; None if there is none."""
    never = (one for one in seen.evidence.never_called if one.stack and seen.owner(one.stack[-1].file) == "mine")
    vain = (one for one in seen.evidence.called_in_vain if one.stack and seen.owner(one.stack[-1].file) == "mine")
    unused, in_vain = next(never, None), next(vain, None)
    return _unused(seen, unused) if unused else _in_vain(seen, in_vain) if in_vain else None


def _unused(seen: AnalysisContext, unused: NeverCalled) -> Words:
    place = unused.stack[-1]
    text = seen.snippet(place.file, place.line)
    if unused.function in _IN_PLACE:
        message = f"{_method(unused.owner)} was called here, and the module was never called."
        made = _made_here(text)
        fix = (
            f"{made} has no name here, and compile() returns None. Keep it: model = {made}, then model.compile(), and "
            "call model(...)."
            if made
            else "module.compile() compiles calls of the module itself: call module(...), and not module.forward(...) or "
            "another of its methods."
        )
        return Words(place, "never-called", message, fix)
    message = f"torch.compile was called here for `{unused.function}`, and what it returned was never called."
    found = _TARGET.search(text)
    name = found[1] if found else "model" if unused.module else "function"
    if name == "self":
        fix = (
            "`self = torch.compile(self)` binds a name of this method only. Compile in place: self.compile(). Or bind the "
            "result in the caller: model = torch.compile(model)."
        )
        return Words(place, "never-called", message, fix)
    in_place = f", or compile in place: {name}.compile()" if unused.module else ""
    methods = " Its other methods, such as generate(), run without compiling." if unused.module else ""
    fix = (
        f"torch.compile returns a new object and leaves `{name}` as it is. Write {name} = torch.compile({name}) in the "
        f"scope that calls it{in_place}.{methods}"
    )
    return Words(place, "never-called", message, fix)


def _in_vain(seen: AnalysisContext, called: CalledInVain) -> Words:
    place = called.stack[-1]
    if not called.owner:
        message = (
            f"torch.compile was called here for `{called.function}`, and what it returned was called, but not compiled."
        )
        return Words(place, "nothing-compiled", message)
    message = f"{_method(called.owner)} was called here, and the module too, but Dynamo compiled nothing of it."
    if not called.of_torch:
        return Words(place, "nothing-compiled", message)
    found = re.match(r"([A-Za-z_][\w.]*)\.compile\(", seen.snippet(place.file, place.line).strip())
    name = found[1] if found else "model"
    message += " Its forward is a part of torch, and Dynamo does not start with code in torch's own files."
    fix = f"Write {name} = torch.compile({name}), which compiles it. From torch 2.14 on, {name}.compile() does too."
    return Words(place, "torch-module-in-place", message, fix)


def _method(owner: str) -> str:
    return f"`{owner}.compile()`" if owner else "`module.compile()`"


def _made_here(text: str) -> str:
    """The module of `Net(4).compile()`, as it is written: it is made in this statement, and nothing else has it."""
    try:
        (statement,) = ast.parse(text.strip()).body
    except (SyntaxError, ValueError):
        return ""
    value = statement.value if isinstance(statement, (ast.Expr, ast.Assign, ast.AnnAssign)) else None
    function = value.func if isinstance(value, ast.Call) else None
    return (
        code_of(function.value) if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Call) else ""
    )
