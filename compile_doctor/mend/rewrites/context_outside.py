"""`with warnings.catch_warnings():` and profilers around operators: in compiled code the block stands without them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libcst as cst

from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import COMPILING, Candidate, Site, expression, lines_of, only, walk

_NAMES = {
    "warnings.catch_warnings": "the filter of warnings",
    "catch_warnings": "the filter of warnings",
    "torch.profiler.record_function": "the profiler's label",
    "torch.autograd.profiler.record_function": "the profiler's label",
    "record_function": "the profiler's label",
    "torch.cuda.nvtx.range": "the profiler's label",
    "nvtx.range": "the profiler's label",
    "nvtx.annotate": "the profiler's label",
}
"""Context managers that do not change what is computed in them."""


def propose(site: Site) -> Iterator[Candidate]:
    for block in site.source.around(site.statement) if site.statement is not None else ():
        if not isinstance(block, cst.With):
            continue
        changes: dict[cst.CSTNode, Any] = {}
        what: dict[str, None] = {}
        for item in block.items:
            name = site.source.code(item.item.func) if isinstance(item.item, cst.Call) else ""
            if name in _NAMES and item.asname is None:
                code = site.source.code(item.item)
                changes[item.item] = expression(f"contextlib.nullcontext() if {COMPILING} else {code}")
                what[_NAMES[name]] = None
        if changes and not _raises(block):
            if "the filter of warnings" in what:
                changes |= {one: _guarded(one) for one in walk(block.body) if _sets_filter(site, one)}
            title = f"compiled code leaves {' and '.join(what)} out"
            yield Candidate(title, site.source.edited(changes, ["import contextlib"]))
            return


def _raises(block: cst.With) -> bool:
    """Whether the filter makes exceptions of warnings: then the block does not compute the same without it."""
    return any(isinstance(one, cst.SimpleString) and one.evaluated_value == "error" for one in walk(block))


def _sets_filter(site: Site, node: cst.CSTNode) -> bool:
    small = only(node)
    call = small.value if isinstance(small, cst.Expr) else None
    names = ("warnings.simplefilter", "warnings.filterwarnings", "warnings.resetwarnings")
    return isinstance(call, cst.Call) and site.source.code(call.func) in names


def _guarded(statement: Any) -> cst.If:
    (made,) = lines_of(f"if not {COMPILING}:\n    pass\n", statement)
    assert isinstance(made, cst.If)
    return made.with_changes(body=cst.IndentedBlock(body=[statement.with_changes(leading_lines=[])]))


REWRITE = Rewrite("context-outside", ("warnings", "profiler", "unsupported-context-manager"), propose, rank=19)
