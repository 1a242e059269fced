"""A number that a function captures, and that varies: as a tensor it is an input of the graph, and no constant of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import libcst as cst

from compile_doctor.mend.blocks import targets
from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import Candidate, Site, Source, lines_of, names, walk

_CELL = re.compile(r"\.__closure__\[(\d+)\]\.cell_contents")
_MOST = 3
"""Functions that make functions of that form and are tried, one after the other."""


def propose(site: Site) -> Iterator[Candidate]:
    """Making the function once would not help: torch compares what it carries, and a new one with equal values fits too."""
    cells = [int(found[1]) for text in site.finding.evidence if (found := _CELL.search(text))]
    makers = [(file, *one) for file, source in site.files.items() for one in _makers(source, cells[0])] if cells else []
    for file, maker, name in makers[:_MOST]:
        body = maker.body.body
        first = body[1] if len(body) > 1 and _is_docstring(body[0]) else body[0]
        line = f"{name} = torch.as_tensor({name})  # an input of the graph, and no constant of it\n"
        made = cst.FlattenSentinel([*lines_of(line, first), first.with_changes(leading_lines=[])])
        title = f"{maker.name.value} captures {name} as a tensor"
        # only the first statement is replaced: edits of it would get lost, and there are none
        yield site.changed(title, {file: {first: made}})


def _makers(source: Source, cell: int) -> Iterator[tuple[cst.FunctionDef, str]]:
    """The functions that make a function, with the parameter that its cell of this number holds."""
    for maker in walk(source.module):
        if not isinstance(maker, cst.FunctionDef) or not isinstance(maker.body, cst.IndentedBlock):
            continue
        parameters = {one.name.value for one in walk(maker.params) if isinstance(one, cst.Param)} - {"self", "cls"}
        for inner in walk(maker.body):
            if isinstance(inner, (cst.FunctionDef, cst.Lambda)):
                cells = _cells(source, maker, inner)
                if cell < len(cells) and cells[cell] in parameters:
                    yield maker, cells[cell]
                    break


def _cells(source: Source, maker: cst.FunctionDef, inner: Any) -> list[str]:
    """The names of its cells, in Python's order: what it reads of the names of the function around it."""
    outer = {one.name.value for one in walk(maker) if isinstance(one, (cst.Param, cst.FunctionDef))}
    own = {one.name.value for one in walk(inner.params) if isinstance(one, cst.Param)}
    own |= set(targets(source, [inner.body]))
    return sorted((set(names(inner.body)) & (outer | set(targets(source, [maker.body])))) - own)


def _is_docstring(statement: Any) -> bool:
    small = statement.body[0] if isinstance(statement, cst.SimpleStatementLine) else None
    return isinstance(small, cst.Expr) and isinstance(small.value, (cst.SimpleString, cst.ConcatenatedString))


REWRITE = Rewrite("captured-number", ("function:.*",), propose, rank=55)
