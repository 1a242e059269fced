"""A loop over the experts that were hit (`mask.nonzero()`) becomes a loop over all of them, with Python numbers.

For an expert that was not hit, the loop works on no tokens: only a run can show that it then changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libcst as cst

from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import Candidate, Site, expression, only, walk

_SETTINGS = ("torch._dynamo.config.capture_dynamic_output_shape_ops = True",)


def propose(site: Site) -> Iterator[Candidate]:
    if site.function is None:
        return
    for loop in walk(site.function):
        if not (isinstance(loop, cst.For) and isinstance(loop.iter, cst.Name) and isinstance(loop.target, cst.Name)):
            continue
        hit = _hit(site, loop.iter.value)
        if hit is None or not _about(site, loop, hit):
            continue
        name = loop.target.value
        changes: dict[cst.CSTNode, Any] = {loop.iter: expression(f"range({site.source.code(hit[1])}.shape[0])")}
        changes |= _numbers(site, loop, name)
        title = "runs all experts, also those without tokens, and traces sizes that depend on values"
        if not _reads(site, hit[0], loop.iter):
            changes[hit[0]] = cst.RemoveFromParent()
        yield Candidate(title, site.source.edited(changes), settings=_SETTINGS)


def _numbers(site: Site, loop: cst.For, name: str) -> dict[cst.CSTNode, Any]:
    """The body with a Python number as index: what reads the number from the tensor goes, `mask[index]` keeps its dimension."""
    changes: dict[cst.CSTNode, Any] = {}
    number = False
    for statement in loop.body.body:
        small = only(statement)
        if isinstance(small, cst.Assign) and site.source.code(small.targets[0].target) == name:
            changes[statement] = cst.RemoveFromParent()
            number = True  # `index = index[0]`: after that it is no tensor
            continue
        for node in walk(statement):
            if isinstance(node, cst.Call) and site.source.code(node) == f"{name}.item()":
                changes[node] = cst.Name(name)
            elif isinstance(node, cst.Subscript) and len(node.slice) == 1 and not number:
                changes |= _element(site, node, name) if isinstance(node.slice[0].slice, cst.Index) else {}
    return changes


def _element(site: Site, node: cst.Subscript, name: str) -> dict[cst.CSTNode, Any]:
    """`index[0]` is the number itself; `mask[index]` keeps the dimension that a tensor of one element leaves."""
    index: Any = node.slice[0].slice
    if site.source.code(node.value) == name:
        return {node: cst.Name(name)}
    outer = site.source.parent(node)
    if site.source.code(index.value) == name and not isinstance(outer, cst.Call):
        return {index: cst.Slice(lower=cst.Name(name), upper=expression(f"{name} + 1"))}
    return {}


def _hit(site: Site, name: str) -> tuple[Any, Any] | None:
    """The assignment of `x.nonzero()` to a name, and x."""
    for node in walk(site.function) if site.function else ():
        small = only(node)
        if not (isinstance(small, cst.Assign) and site.source.code(small.targets[0].target) == name):
            continue
        value = small.value
        if isinstance(value, cst.Call) and isinstance(value.func, cst.Attribute) and value.func.attr.value == "nonzero":
            return node, value.func.value
    return None


def _about(site: Site, loop: cst.For, hit: tuple[Any, Any]) -> bool:
    """Whether the finding is at the assignment or in the loop."""
    first, last = site.source.lines(loop)
    return first <= site.line <= last or site.source.lines(hit[0])[0] <= site.line <= site.source.lines(hit[0])[1]


def _reads(site: Site, assigned: Any, but: cst.CSTNode) -> bool:
    """Whether the name is read anywhere but in the head of the loop."""
    name = site.source.code(assigned.body[0].targets[0].target)
    inside = set(map(id, walk(assigned)))
    found = [one for one in walk(site.function) if isinstance(one, cst.Name) and one.value == name]  # type: ignore[arg-type]
    return any(one is not but and id(one) not in inside for one in found)


REWRITE = Rewrite("all-experts", ("boolean-mask-indexing", "skipped:boolean-mask-indexing"), propose, rank=50)
