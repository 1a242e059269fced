"""`for index in order.tolist():` goes over the tensor itself; what is taken by such an index becomes one tensor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libcst as cst

from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import Candidate, Site, expression, walk


def propose(site: Site) -> Iterator[Candidate]:
    for call in site.expressions(cst.Call):
        if not (isinstance(call.func, cst.Attribute) and call.func.attr.value == "tolist" and not call.args):
            continue
        loop = site.source.parent(call)
        changes: dict[cst.CSTNode, Any] = {call: call.func.value}
        yield Candidate("goes over the tensor instead of a list", site.source.edited(changes))
        if isinstance(loop, cst.For) and isinstance(loop.target, cst.Name):
            for node in walk(loop.body):
                if isinstance(node, cst.Subscript) and _only_index(site, node) == loop.target.value:
                    held = site.source.code(node.value)
                    changes[node] = expression(f"torch.stack(tuple({held}))[{loop.target.value}.reshape(1)][0]")
            if len(changes) > 1:
                yield Candidate("goes over the tensor, and stacks what it chooses from", site.source.edited(changes))
        return


def _only_index(site: Site, node: cst.Subscript) -> str:
    index = node.slice[0].slice
    return site.source.code(index.value) if len(node.slice) == 1 and isinstance(index, cst.Index) else ""


REWRITE = Rewrite("rows-of-tensor", ("tensor-tolist",), propose, rank=45)
