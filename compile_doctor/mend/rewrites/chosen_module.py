"""`self.experts[best.item()](x)`: all of them are computed, and the device chooses one."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import Candidate, Site, expression


def propose(site: Site) -> Iterator[Candidate]:
    for call in site.expressions(cst.Call):
        chosen = call.func
        if not (isinstance(chosen, cst.Subscript) and len(chosen.slice) == 1):
            continue
        index = chosen.slice[0].slice
        if isinstance(index, cst.Index) and isinstance(index.value, cst.Call):
            tensor = _tensor(site, index.value)
            if tensor:
                inner = ", ".join(site.source.code(one).rstrip(",") for one in call.args)
                text = (
                    f"torch.stack([one({inner}) for one in {site.source.code(chosen.value)}])[{tensor}.reshape(1)][0]"
                )
                yield Candidate(
                    "runs all modules, and chooses on the device", site.source.edited({call: expression(text)})
                )
                return


def _tensor(site: Site, read: cst.Call) -> str:
    """The tensor of `x.item()` or `int(x)`; empty for any other call."""
    if isinstance(read.func, cst.Attribute) and read.func.attr.value == "item" and not read.args:
        return site.source.code(read.func.value)
    if site.source.code(read.func) == "int" and len(read.args) == 1:
        return site.source.code(read.args[0].value)
    return ""


REWRITE = Rewrite("chosen-module", ("tensor-item",), propose, rank=45)
