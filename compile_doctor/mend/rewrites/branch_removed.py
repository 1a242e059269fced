"""`if mask.any(): …` without the `if`: for code that does nothing if the mask is empty. Only a run can show that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libcst as cst

from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import Candidate, Site, walk


def propose(site: Site) -> Iterator[Candidate]:
    branch = site.statement
    if not isinstance(branch, cst.If) or branch.orelse is not None or not isinstance(branch.body, cst.IndentedBlock):
        return
    leaves = (cst.Return, cst.Raise, cst.Break, cst.Continue)
    if any(isinstance(node, leaves) for node in walk(branch.body)):
        return
    body: list[Any] = list(branch.body.body)
    body[0] = body[0].with_changes(leading_lines=[*branch.leading_lines, *body[0].leading_lines])
    first = site.source.lines(branch.body.body[0])
    text = site.source.edited({branch: cst.FlattenSentinel(body)})
    header = (site.source.lines(branch)[0], first[0] - 1)
    yield Candidate(
        "computes always what an `if` skipped when it changed nothing", text, sides=first[:1], rarer=((first, header),)
    )


REWRITE = Rewrite("branch-removed", ("data-dependent-branch",), propose, rank=35)
