"""`odeint(self.f, …)` of a package that breaks in many lines: the call stays out of the graph, and what it calls is compiled.

A solver with steps of its own cannot be one graph, and the pieces between its breaks are small. What it calls again and
again is the model. https://docs.pytorch.org/docs/stable/generated/torch.compiler.disable.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import libcst as cst

from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import Candidate, Site, Source, lines_of, only, walk

_DISABLED = re.compile(r"^((\w+) = torch\.compiler\.disable\(\2\))", re.MULTILINE)
_MODULE = re.compile(r"^([\w.]+)\.compile\(\)$", re.MULTILINE)
_FUNCTION = re.compile(r"^((\w+) = torch\.compile\(\2\))$", re.MULTILINE)
"""As the advice of the finding prints it: what a package called was seen when it ran."""


def propose(site: Site) -> Iterator[Candidate]:
    disabled = _DISABLED.search(site.finding.fix)
    source = site.files.get(site.finding.via.file) if site.finding.via and disabled else None
    if source is None or disabled is None or not _imports(source, disabled[2]):
        return
    changes = dict(_compiled(source, site.finding.fix))
    wanted = [*_MODULE.findall(site.finding.fix), *_FUNCTION.findall(site.finding.fix)]
    if wanted and len(changes) >= len(wanted) and site.finding.via:
        text = source.edited(changes, [disabled[1]])
        yield Candidate(
            f"keeps `{disabled[2]}` out of the graph, and compiles what it calls", others={site.finding.via.file: text}
        )


def _compiled(source: Source, fix: str) -> Iterator[tuple[cst.CSTNode, Any]]:
    """The statements that make what is called, each with the line behind it that compiles it."""
    modules, functions = set(_MODULE.findall(fix)), {name: line for line, name in _FUNCTION.findall(fix)}
    for node in walk(source.module):
        assigned = only(node)
        if isinstance(assigned, cst.Assign) and len(assigned.targets) == 1:
            name = source.code(assigned.targets[0].target)
            if name in modules:
                yield node, cst.FlattenSentinel([node, *lines_of(f"{name}.compile()\n")])
        if isinstance(node, cst.FunctionDef) and source.parent(node) is source.module and node.name.value in functions:
            yield node, cst.FlattenSentinel([node, *lines_of(f"{functions[node.name.value]}\n")])


def _imports(source: Source, name: str) -> bool:
    """Whether an import at the top of the file gives the name: after it, the name can be given another value."""
    found = (only(one) for one in source.module.body)
    names = [
        alias
        for one in found
        if isinstance(one, cst.ImportFrom) and not isinstance(one.names, cst.ImportStar)
        for alias in one.names
    ]
    return any((alias.evaluated_alias or alias.evaluated_name) == name for alias in names)


REWRITE = Rewrite("call-outside", (".*",), propose, rank=60)
