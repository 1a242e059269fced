"""`x[mask].numel()` only counts: the mask's own sum is the same number, and its shape does not depend on values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libcst as cst

from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.rewrites.assert_plain import checked, compiled_only, literal
from compile_doctor.mend.site import Candidate, Site, expression


def propose(site: Site) -> Iterator[Candidate]:
    counts = {
        node: expression(f"{mask}.sum()")
        for node in site.expressions(cst.BaseExpression)
        if (mask := _mask(site, node))
    }
    if not counts:
        return
    check = checked(site)
    if check is not None:
        condition, message = check
        for node, new in counts.items():
            condition = condition.deep_replace(node, new)
        text = cst.Module([]).code_for_node(condition)
        yield compiled_only(site, f"torch._assert_async(torch.as_tensor({text}).all(), {literal(message)})")
    yield Candidate("counts what is true in the mask", site.source.edited(counts))


def _mask(site: Site, node: Any) -> str:
    """The mask in `x[mask].numel()`, `len(x[mask])`, `x[mask].shape[0]` and `x[mask].size(0)`; empty for anything else."""
    code = site.source.code
    if isinstance(node, cst.Call):
        given = [code(one.value) for one in node.args]
        if isinstance(node.func, cst.Attribute):
            known = (node.func.attr.value, given) in (("numel", []), ("size", ["0"]))
            return _index(site, node.func.value) if known else ""
        return _index(site, node.args[0].value) if code(node.func) == "len" and len(given) == 1 else ""
    if isinstance(node, cst.Subscript) and isinstance(node.value, cst.Attribute) and node.value.attr.value == "shape":
        return _index(site, node.value.value) if code(node).endswith(".shape[0]") else ""
    return ""


def _index(site: Site, node: Any) -> str:
    """The only index of a subscript, if it is no number and no slice."""
    if not (isinstance(node, cst.Subscript) and len(node.slice) == 1 and isinstance(node.slice[0].slice, cst.Index)):
        return ""
    index = node.slice[0].slice.value
    if isinstance(index, (cst.Name, cst.Attribute, cst.Call)):
        return site.source.code(index)
    return (
        f"({site.source.code(index)})"
        if isinstance(index, (cst.Comparison, cst.UnaryOperation, cst.BinaryOperation))
        else ""
    )


REWRITE = Rewrite("count-under-mask", ("boolean-mask-indexing", "skipped:boolean-mask-indexing"), propose, rank=28)
