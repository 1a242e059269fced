"""A slice of fixed length at a position that a tensor holds becomes an index: the position need not be read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libcst as cst

from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import Candidate, Site, expression, names, only, walk


def propose(site: Site) -> Iterator[Candidate]:
    if site.function is None:
        return
    name, changes = _assigned(site)
    scope: Any = site.function if name else site.statement
    for node in walk(scope):
        if isinstance(node, cst.SubscriptElement) and isinstance(node.slice, cst.Slice):
            text = _index(site, node.slice, name)
            if text:
                changes = {**changes, node.slice: cst.Index(value=expression(text))}
    if any(isinstance(one, cst.Slice) for one in changes):
        yield Candidate("indexes a window of fixed length with a tensor", site.source.edited(changes))


def _assigned(site: Site) -> tuple[str, dict[cst.CSTNode, Any]]:
    """For `start = offset.item()` the name, and the assignment without `.item()`."""
    small = only(site.statement)
    if isinstance(small, cst.Assign) and isinstance(small.targets[0].target, cst.Name):
        value = small.value
        if isinstance(value, cst.Call) and isinstance(value.func, cst.Attribute) and value.func.attr.value == "item":
            return small.targets[0].target.value, {value: value.func.value}
    return "", {}


def _index(site: Site, piece: cst.Slice, name: str) -> str:
    """`start + torch.arange(n)` for `start : start + n`; empty if the length is not the same for all starts."""
    if piece.lower is None or piece.upper is None or piece.step is not None or (name and name not in names(piece)):
        return ""
    start, upper = site.source.code(piece.lower), piece.upper
    if not (isinstance(upper, cst.BinaryOperation) and isinstance(upper.operator, cst.Add)):
        return ""
    if site.source.code(upper.left) != start:
        return ""
    return f"{start} + torch.arange({site.source.code(upper.right)})"


REWRITE = Rewrite("window-by-index", ("tensor-item", "tensor-slice-bound"), propose, rank=45)
