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
_COMPILED = re.compile(r"^(?:([\w.]+)\.compile\(\)|([\w.]+) = torch\.compile\(\2\))(?:    #.*)?$", re.MULTILINE)
"""As the advice of the finding prints it: what a package called was seen when it ran."""


def propose(site: Site) -> Iterator[Candidate]:
    disabled = _DISABLED.search(site.finding.fix)
    source = site.files.get(site.finding.via.file) if site.finding.via and disabled else None
    if source is None or disabled is None or not _imports(source, disabled[2]):
        return
    wanted = {found[1] or found[2]: found[0].partition("    #")[0] for found in _COMPILED.finditer(site.finding.fix)}
    made = [(_made(source, name), line) for name, line in wanted.items()]
    if made and all(node is not None for node, _ in made) and site.finding.via:
        changes = {node: cst.FlattenSentinel([node, *lines_of(f"{line}\n")]) for node, line in made if node is not None}
        text = source.edited(changes, [disabled[1]])
        yield Candidate(
            f"keeps `{disabled[2]}` out of the graph, and compiles what it calls", others={site.finding.via.file: text}
        )


def _made(source: Source, name: str) -> Any:
    """The statement that makes what is called, or the object whose method it is; None if it is not one in this file."""
    for wanted in (name, name.rpartition(".")[0]):
        for node in walk(source.module):
            assigned = only(node)
            if isinstance(assigned, cst.Assign) and wanted in [source.code(one.target) for one in assigned.targets]:
                return node
            if isinstance(node, cst.FunctionDef) and source.parent(node) is source.module and node.name.value == wanted:
                return node
    return None


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
