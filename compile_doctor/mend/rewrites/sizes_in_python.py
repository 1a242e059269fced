"""`(np.array(x.shape) % 4 > 0).any()` in plain Python: numpy makes a tensor of sizes, and an `if` would need its value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libcst as cst

from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import Candidate, Site, expression, names, only, walk

_NUMPY = ("np", "numpy")


def propose(site: Site) -> Iterator[Candidate]:
    """The array is assigned to a name, of which only `.any()` and `.all()` are read."""
    if site.function is None:
        return
    for node in walk(site.function):
        small = only(node)
        if not (isinstance(small, cst.Assign) and isinstance(small.targets[0].target, cst.Name)):
            continue
        name = small.targets[0].target.value
        listed = _listed(site, small.value)
        reads: dict[cst.CSTNode, Any] = {
            one: expression(f"{one.func.attr.value}({name})")
            for one in walk(site.function)
            if isinstance(one, cst.Call) and isinstance(one.func, cst.Attribute) and not one.args
            if one.func.attr.value in ("any", "all") and site.source.code(one.func.value) == name
        }
        if listed and reads and names(site.function).count(name) == len(reads) + 1:
            changes: dict[cst.CSTNode, Any] = {small.value: expression(listed), **reads}
            yield Candidate("compares the sizes in plain Python", site.source.edited(changes))


def _listed(site: Site, value: Any) -> str:
    """`[size % 4 > 0 for size in x.shape]`; empty if it is not an elementwise expression of one array of sizes."""
    arrays = [one for one in walk(value) if isinstance(one, cst.Call) and _is_array(site, one)]
    others = [one for one in walk(value) if isinstance(one, cst.Call) and not _is_array(site, one)]
    powers = [one for one in others if site.source.code(one.func) in [f"{module}.power" for module in _NUMPY]]
    inside = [one for one in walk(arrays[0]) if isinstance(one, cst.Call)] if len(arrays) == 1 else []
    if len(arrays) != 1 or len(powers) + len(inside) != len(others) + 1 or "size" in names(value):
        return ""
    changes: dict[cst.CSTNode, Any] = {arrays[0]: cst.Name("size")}
    for one in powers:
        base, exponent = (site.source.code(arg.value) for arg in one.args)
        changes[one] = expression(f"({base}) ** ({exponent})")
    element = cst.Module([]).code_for_node(value.visit(_Swapped(changes)))
    return f"[{element} for size in {site.source.code(arrays[0].args[0].value)}]"


def _is_array(site: Site, call: cst.Call) -> bool:
    return (
        site.source.code(call.func) in [f"{m}.{f}" for m in _NUMPY for f in ("array", "asarray")]
        and len(call.args) == 1
    )


class _Swapped(cst.CSTTransformer):
    def __init__(self, changes: dict[cst.CSTNode, Any]) -> None:
        super().__init__()
        self.changes = changes

    def on_leave(self, original_node: Any, updated_node: Any) -> Any:
        return self.changes.get(original_node, updated_node)


REWRITE = Rewrite("sizes-in-python", ("data-dependent-branch",), propose, rank=15)
