"""Which numbers of a function come from a tensor's values: for rewrites that say something about them."""

from __future__ import annotations

from typing import Any

import libcst as cst

from compile_doctor.mend.site import Site, names, walk

_READS = ("item", "numel", "size", "nelement")


def is_number(site: Site, node: Any) -> bool:
    """Whether an expression has a number in it that the function has read from a tensor, or a size of a result."""
    return _reads(site, node) or any(name in _numbers(site) for name in names(node))


def _numbers(site: Site) -> set[str]:
    """The names to which the function assigns such a number, or something that is computed from one."""
    assert site.function is not None
    found: set[str] = set()
    grown = True
    assigned = [one for one in walk(site.function.body) if isinstance(one, cst.Assign)]
    while grown:
        grown = False
        for node in assigned:
            new = {
                one.target.value
                for one in node.targets
                if isinstance(one.target, cst.Name) and one.target.value not in found
            }
            if new and (_reads(site, node.value) or _of_numbers(node.value, found)):
                found, grown = found | new, True
    return found


def _of_numbers(value: Any, found: set[str]) -> bool:
    """Arithmetic of such numbers, `min` and `max`, but not a tensor that is made with them."""
    calls = [one for one in walk(value) if isinstance(one, (cst.Call, cst.Subscript))]
    plain = all(isinstance(one, cst.Call) and getattr(one.func, "value", "") in ("min", "max", "int") for one in calls)
    return plain and any(name in found for name in names(value))


def _reads(site: Site, node: Any) -> bool:
    """`x.item()`, `y.numel()`, `n.shape[0]`, `int(x.sum())`, at the outside or in arithmetic."""
    for one in walk(node):
        if isinstance(one, cst.Call) and isinstance(one.func, cst.Attribute) and one.func.attr.value in _READS:
            return True
        if isinstance(one, cst.Call) and site.source.code(one.func) in ("int", "len") and one.args:
            return True
        if isinstance(one, cst.Subscript) and site.source.code(one.value).endswith(".shape"):
            return True
    return False
