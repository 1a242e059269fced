"""A statement that breaks the graph inside of a `with` block that Dynamo cannot leave: the block is closed around it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libcst as cst

from compile_doctor.mend.blocks import leaves
from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import Candidate, Site, walk

_AGAIN = ("no_grad", "enable_grad", "inference_mode", "set_grad_enabled", "autocast", "sdpa_kernel", "device")
"""Context managers of torch that set something and put it back."""
_PLAIN = ("getattr", "setattr", "hasattr")


def propose(site: Site) -> Iterator[Candidate]:
    if site.finding.breaks_at is None:
        return
    statement = Site(site.source, site.finding, site.finding.breaks_at).statement
    block = (
        next((one for one in site.source.around(statement) if isinstance(one, cst.With)), None) if statement else None
    )
    if block is None or statement not in block.body.body or not all(_may_enter_again(site, one) for one in block.items):
        return
    if leaves(block.body.body):
        return
    body = list(block.body.body)
    at = body.index(statement)
    before, after = body[:at], body[at + 1 :]
    parts: list[Any] = []
    if before:
        parts.append(block.with_changes(body=block.body.with_changes(body=before)))
    parts.append(
        statement if before else statement.with_changes(leading_lines=[*block.leading_lines, *statement.leading_lines])
    )
    if after:
        parts.append(block.with_changes(body=block.body.with_changes(body=after), leading_lines=[]))
    if len(parts) > 1:
        title = "closes the with block around the line that breaks the graph"
        yield Candidate(title, site.source.edited({block: cst.FlattenSentinel(parts)}))


def _may_enter_again(site: Site, item: cst.WithItem) -> bool:
    """Whether two blocks are as good as one: a setting of torch, or a context manager of this file that only sets and resets."""
    call = item.item
    if item.asname is not None or not isinstance(call, cst.Call):
        return False
    name = site.source.code(call.func)
    if name.startswith("torch.") and name.rpartition(".")[2] in _AGAIN:
        return True
    made = [one for one in site.source.module.body if isinstance(one, (cst.FunctionDef, cst.ClassDef))]
    found = next((one for one in made if one.name.value == name), None)
    return found is not None and all(_only_sets(site, one) for one in walk(found))


def _only_sets(site: Site, node: cst.CSTNode) -> bool:
    if isinstance(node, (cst.AugAssign, cst.With, cst.Raise, cst.Await)):
        return False
    return not isinstance(node, cst.Call) or site.source.code(node.func) in _PLAIN


REWRITE = Rewrite("context-split", (r"(?:rest-)?skipped:.*",), propose, rank=90)
