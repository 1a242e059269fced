"""One dimension of one input varies: the caller marks it as dynamic, and all others stay static, with their faster kernels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import libcst as cst

from compile_doctor.mend.compile_calls import CompileCall, about, compile_calls
from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import Candidate, Site, Source, lines_of, walk

_SIZE = re.compile(r"size:([A-Za-z_]\w*):(\d+)")


def propose(site: Site) -> Iterator[Candidate]:
    found = _SIZE.fullmatch(site.finding.cause)
    if found is None or site.function is None or _others_vary(site):
        return
    name, dimension = found[1], int(found[2])
    edits: dict[str, dict[cst.CSTNode, Any]] = {}
    for call in about(site, compile_calls(site)):
        source = site.files[call.file]
        for statement, argument in _given(site, source, call, name):
            line = f"torch._dynamo.mark_dynamic({argument}, {dimension})\n"
            marked = [*lines_of(line, statement), statement.with_changes(leading_lines=[])]
            edits.setdefault(call.file, {})[statement] = cst.FlattenSentinel(marked)
    if edits:
        yield site.changed(f"marks dimension {dimension} of {name} as dynamic, before the call (mark_dynamic)", edits)


def _others_vary(site: Site) -> bool:
    """Whether another size of the same function varies: then all of them are made dynamic (`dynamic-sizes`)."""
    place = site.finding.location
    return any(
        one.cause != site.finding.cause and one.cause.startswith(("size:", "shape-range:"))
        for one in site.findings
        if one.location and place and (one.location.file, one.location.function) == (place.file, place.function)
    )


def _given(site: Site, source: Source, compiled: CompileCall, name: str) -> Iterator[tuple[Any, str]]:
    """The statements that call what was compiled, each with what it passes as the parameter `name`."""
    for node in walk(source.module):
        if not (compiled.result and isinstance(node, cst.Call) and source.code(node.func) == compiled.result):
            continue
        argument = _argument(site, node, name)
        statement = _statement(source, node)
        if isinstance(argument, (cst.Name, cst.Attribute)) and statement is not None:
            yield statement, source.code(argument)


def _argument(site: Site, call: cst.Call, name: str) -> cst.BaseExpression | None:
    assert site.function is not None
    parameters = [one.name.value for one in site.function.params.params]
    if parameters[:1] in (["self"], ["cls"]):
        del parameters[0]
    for position, given in enumerate(call.args):
        if given.star:
            return None
        called = given.keyword.value if given.keyword else "".join(parameters[position : position + 1])
        if called == name:
            return given.value
    return None


def _statement(source: Source, call: cst.Call) -> cst.SimpleStatementLine | None:
    """The simple statement around a call; None if its argument is made inside of it, as in a comprehension."""
    for node in source.around(call):
        if isinstance(node, (cst.Lambda, cst.CompFor, cst.BaseComp)):
            return None
        if isinstance(node, cst.SimpleStatementLine):
            return node
    return None


REWRITE = Rewrite("marked-dimension", ("size:.*",), propose, rank=55)
