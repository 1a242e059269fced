"""`self.layer_idx` in each layer: compiled code reads it from a buffer, and is the same for all layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libcst as cst

from compile_doctor.mend.blocks import targets
from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import Candidate, Site, lines_of, only, walk


def propose(site: Site) -> Iterator[Candidate]:
    name = site.finding.cause.partition(":")[2]
    if site.function is None or not name.isidentifier() or f"self.{name}" in targets(site.source, [site.function.body]):
        return
    owner = next((one for one in site.source.around(site.function) if isinstance(one, cst.ClassDef)), None)
    made = [node for node in walk(owner) if _assigns(site, node, name)] if owner is not None else []
    changes: dict[cst.CSTNode, Any] = {
        node: node.with_changes(attr=cst.Name(f"_{name}_tensor"))
        for node in walk(site.function.body)
        if isinstance(node, cst.Attribute) and site.source.code(node) == f"self.{name}"
    }
    if len(made) != 1 or not changes:
        return
    text = f'self.register_buffer("_{name}_tensor", torch.tensor(self.{name}), persistent=False)\n'
    changes[made[0]] = cst.FlattenSentinel([made[0], *lines_of(text)])
    yield Candidate(f"reads {name} from a buffer", site.source.edited(changes))


def _assigns(site: Site, node: cst.CSTNode, name: str) -> bool:
    small = only(node)
    return isinstance(small, cst.Assign) and site.source.code(small.targets[0].target) == f"self.{name}"


REWRITE = Rewrite("number-as-buffer", ("module-int:.*",), propose, rank=60)
