"""The sum or mean of the elements under a mask, without taking them out: the shape no longer depends on values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libcst as cst

from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import Candidate, Site, expression

_RANKS = (("{mask}", ""), ("{mask}[:, None]", "0"), ("{mask}[..., None]", "(0, 1)"))
"""The mask as it is broadcast, and the dimensions that a reduction over the rows then covers, for ranks of the mask."""


def propose(site: Site) -> Iterator[Candidate]:
    for call in site.expressions(cst.Call):
        function: Any = call.func
        if not (isinstance(function, cst.Attribute) and function.attr.value in ("sum", "mean")):
            continue
        taken = function.value
        if not (isinstance(taken, cst.Subscript) and len(taken.slice) == 1):
            continue
        index = taken.slice[0].slice
        arguments = [site.source.code(one) for one in call.args]
        if not isinstance(index, cst.Index) or arguments not in ([], ["0"], ["dim=0"]):
            continue
        mask, tensor = site.source.code(index.value), site.source.code(taken.value)
        whole = isinstance(site.source.parent(call), (cst.Return, cst.Assign, cst.Arg))
        for form in _forms(mask, tensor, function.attr.value, bool(arguments)):
            text = form if whole or "/" not in form else f"({form})"
            yield Candidate(
                f"computes the {function.attr.value} with the mask, on all elements",
                site.source.edited({call: expression(text)}),
            )
        return


def _forms(mask: str, tensor: str, name: str, rows: bool) -> Iterator[str]:
    """The reduction for each rank that the mask may have."""
    held = mask if mask.replace(".", "").replace("_", "").isalnum() else f"({mask})"
    for form, dims in _RANKS:
        if rows and not dims:
            dims = "0"
        broadcast = form.format(mask=held)
        total = f"torch.where({broadcast if form != '{mask}' else mask}, {tensor}, 0).sum({dims if rows else ''})"
        if name == "sum":
            yield total
        elif rows:
            yield f"{total} / {held}.sum()"
        else:
            yield f"{total} / {broadcast}.expand_as({tensor}).sum()" if form != "{mask}" else f"{total} / {held}.sum()"


REWRITE = Rewrite("masked-reduction", ("boolean-mask-indexing",), propose, rank=30)
