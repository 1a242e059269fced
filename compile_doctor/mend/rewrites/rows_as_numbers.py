"""A loop over the rows of a tensor whose elements become sizes: `.tolist()` reads them at once, as symbols of torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libcst as cst

from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import Candidate, Site, expression, names, walk

_SETTINGS = ("torch._dynamo.config.capture_scalar_outputs = True",)


def propose(site: Site) -> Iterator[Candidate]:
    """Each element as a 0-d tensor would be read by itself, again at each use, and torch loses track of such reads."""
    if site.statement is None:
        return
    for loop in site.source.around(site.statement):
        if isinstance(loop, (cst.FunctionDef, cst.ClassDef)):
            return
        changes: dict[cst.CSTNode, Any] = {
            one: expression(f"{site.source.code(one)}.tolist()")
            for target, one in _over(site, loop)
            if isinstance(one, (cst.Name, cst.Attribute, cst.Subscript)) and _used(site, target)
        }
        if changes:
            what = " and ".join(site.source.code(one) for one in changes)
            title = f"reads {what} as numbers, which torch traces as symbols"
            yield Candidate(title, site.source.edited(changes), settings=_SETTINGS)


def _over(site: Site, loop: cst.CSTNode) -> list[tuple[Any, Any]]:
    """What a loop assigns, with what it takes it from: those of `zip` and `enumerate` one by one."""
    if not isinstance(loop, cst.For):
        return []
    return list(_parts(site, loop.target, loop.iter))


def _parts(site: Site, target: Any, given: Any) -> Iterator[tuple[Any, Any]]:
    name = site.source.code(given.func) if isinstance(given, cst.Call) else ""
    inner = [one.value for one in target.elements] if isinstance(target, cst.Tuple) else []
    if name == "zip" and len(inner) == len(given.args):
        for part, arg in zip(inner, given.args, strict=True):
            yield from _parts(site, part, arg.value)
    elif name == "enumerate" and len(inner) == 2:
        yield from _parts(site, inner[1], given.args[0].value)
    else:
        yield target, given


def _used(site: Site, target: Any) -> bool:
    """Whether the line of the finding needs one of the elements, none of which is used as a tensor: `y.narrow(…)`, `y[0]`."""
    parts = [one.value for one in walk(site.statement) if isinstance(one, (cst.Attribute, cst.Subscript))]
    tensors = {one.value for one in parts if isinstance(one, cst.Name)}
    own = set(names(target))
    return bool(own & set(names(site.statement))) and not own & tensors


REWRITE = Rewrite(
    "rows-as-numbers",
    ("tensor-item", "tensor-slice-bound", "range-over-tensor", "data-dependent-guard"),
    propose,
    rank=69,
)
