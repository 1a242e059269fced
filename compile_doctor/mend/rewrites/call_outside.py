"""`odeint(self.f, …)` of a package that breaks in many lines: the call stays out of the graph, and what it calls is compiled.

A solver with steps of its own cannot be one graph, and the pieces between its breaks are small. What it calls again and
again is the model. https://docs.pytorch.org/docs/stable/generated/torch.compiler.disable.html

Functions and methods get the decorator `@torch.compile`: names of parameters stay, copies of the model are compiled too,
and a `torch.compile` around the model still compiles the rest of it, which `diagnose` then sees. A function that is made
at each call goes through a compiled one at the top of the file. Seen on torch 2.9 to 2.13: what an outer `torch.compile`
traces may not call `torch.compile(…)`, which is left out; 2.12 and later pass a decorated method on without its object,
and 2.9 compiles again for each new bound method.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import libcst as cst

from compile_doctor.mend.compile_calls import compile_calls
from compile_doctor.mend.functions import covers, function_of, is_local
from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import Candidate, Site, Source, expression, only, statements, walk

_DISABLED = re.compile(r"^(([\w.]+) = torch\.compiler\.disable\(\2\))", re.MULTILINE)
_COMPILED = re.compile(r"^(?:([\w.]+)\.compile\(\)|([\w.]+) = torch\.compile\(\2\))(?:    #.*)?$", re.MULTILINE)
"""As the advice of the finding prints it: what a package called was seen when it ran."""
_ARGS = "*args, **kwargs"
_CALLED = "compiled_call"
_CALL = """\


@torch.compile{options}
def compiled_call(function, *args, **kwargs):
    return function(*args, **kwargs)"""
_WITHOUT_KERNELS = ("eager", "aot_eager", "aot_eager_decomp_partition")
"""Backends with which one looks for breaks, and does not run a model."""
_OF_ITSELF = ("fullgraph", "disable")
"""Options of torch.compile that say something about one function only."""


def propose(site: Site) -> Iterator[Candidate]:
    via = site.finding.via
    disabled = _DISABLED.search(site.finding.fix) if via else None
    source = site.files.get(via.file) if via and disabled else None
    if via is None or disabled is None or source is None or not _imports(source, disabled[2].partition(".")[0]):
        return
    options = _options(site)
    changes: dict[cst.CSTNode, Any] = {}
    for found in _COMPILED.finditer(site.finding.fix):
        made = _compiled(source, via.line, found[1] or found[2], bool(found[1]), options)
        if made is None:
            return
        changes |= made
    if changes:
        head = [_CALL.format(options=f"({options})" if options else "")] if _uses_call(source, changes) else []
        text = source.edited(changes, [disabled[1], *head])
        yield Candidate(f"keeps `{disabled[2]}` out of the graph, and compiles what it calls", others={via.file: text})


def _compiled(source: Source, line: int, name: str, module: bool, options: str) -> dict[cst.CSTNode, Any] | None:
    """What changes so that something is compiled when the line calls it back; None if it is not made in this file."""
    function = function_of(source, line, f"{name}.forward" if module else name)
    passed = _passed(source, line, name)
    if function is not None and not is_local(source, function):
        if any(source.code(one).startswith("@torch.compile") for one in function.decorators):
            return {}  # by another finding of the same call
        decorator = cst.Decorator(expression(f"torch.compile({options})" if options else "torch.compile"))
        decorated = function.with_changes(decorators=[*function.decorators, decorator])
        method = passed is not None and "." in name and not module
        return {function: decorated, **({passed: expression(f"lambda {_ARGS}: {name}({_ARGS})")} if method else {})}
    code = source.code(passed) if passed else ""
    return {passed: expression(f"lambda {_ARGS}: {_CALLED}({code}, {_ARGS})")} if passed else None


def _uses_call(source: Source, changes: Mapping[cst.CSTNode, Any]) -> bool:
    """Whether the changes call the compiled function, and the file does not have it yet."""
    return f"def {_CALLED}(" not in source.text and any(
        isinstance(one, cst.Name) and one.value == _CALLED
        for new in changes.values()
        if isinstance(new, cst.BaseExpression)
        for one in walk(new)
    )


def _passed(source: Source, line: int, name: str) -> Any:
    """The argument of a call in the line that has this name, or a lambda that calls it; None if there is none."""
    around = [one for one in statements(source.module) if covers(source, one, line)]
    for node in walk(around[-1]) if around else ():  # the innermost comes last
        if isinstance(node, cst.Arg):
            inside = walk(node.value) if isinstance(node.value, cst.Lambda) else ()
            called = [source.code(one.func) for one in inside if isinstance(one, cst.Call)]
            if _CALLED in called:
                return None  # by another finding of the same call
            if source.code(node.value) == name or name in called:
                return node.value
    return None


def _options(site: Site) -> str:
    """The options with which the user compiles: as in their own calls of torch.compile, else as `fix` was asked for."""
    written = {_literals(site.files[one.file], one.node) for one in compile_calls(site)}
    wanted = {name: value for name, value in site.compiling.items() if value not in (None, *_WITHOUT_KERNELS)}
    asked = ", ".join(f"{name}={value!r}" for name, value in wanted.items())
    return written.pop() if len(written) == 1 else asked


def _literals(source: Source, call: Any) -> str:
    """The options of a call that have plain values: what a variable is called there has no meaning elsewhere."""
    found = []
    for one in call.args if isinstance(call, cst.Call) else ():
        if one.keyword and one.keyword.value not in _OF_ITSELF:
            with suppress(ValueError):
                found.append(f"{one.keyword.value}={ast.literal_eval(source.code(one.value))!r}")
    return ", ".join(found)


def _imports(source: Source, name: str) -> bool:
    """Whether an import at the top of the file gives the name: after it, the name can be given another value."""
    found = (only(one) for one in source.module.body)
    aliases = [
        alias
        for one in found
        if isinstance(one, (cst.Import, cst.ImportFrom)) and not isinstance(one.names, cst.ImportStar)
        for alias in one.names
    ]
    return any((alias.evaluated_alias or alias.evaluated_name.partition(".")[0]) == name for alias in aliases)


REWRITE = Rewrite("call-outside", (".*",), propose, rank=60)
