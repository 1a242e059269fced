"""`fully_shard(block)` for each block, and torch.compile around all of them: each block is compiled before it is sharded.

FSDP's hooks run outside of graphs, so a graph around them ends at each block. `block.compile()` has them outside, and
torch compiles one block for all that are alike. https://docs.pytorch.org/docs/main/distributed.fsdp.fully_shard.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libcst as cst

from compile_doctor.mend.compile_calls import CompileCall, compile_calls
from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import Candidate, Site, Source, lines_of, only, walk

_FOLDER = "/torch/distributed/fsdp/"


def propose(site: Site) -> Iterator[Candidate]:
    place = site.finding.location
    of_loop = site.finding.cause.startswith(
        "skipped:"
    )  # the loop around the hooks, whose finding is in the user's file
    if place is None or not (of_loop or _FOLDER in place.file):
        return
    around = [one for one in compile_calls(site) if isinstance(one.node, cst.Call) and one.node.args[:1]]
    if len(around) > 1:
        return  # which of them is around the blocks cannot be seen
    options = _options(site, around)
    edits: dict[str, dict[cst.CSTNode, Any]] = {}
    for file, source in site.files.items():
        for name, statement in _sharded(source):
            made = [*lines_of(f"{name}.compile({options})\n", statement), statement.with_changes(leading_lines=[])]
            edits.setdefault(file, {})[statement] = cst.FlattenSentinel(made)
    if not edits:
        return
    for one in around:
        edits.setdefault(one.file, {})[one.node] = one.node.args[0].value
    yield site.changed("compiles each block before it is sharded", edits)


def _options(site: Site, around: list[CompileCall]) -> str:
    """The options of the call around the blocks, as written."""
    given = [(site.files[one.file], each) for one in around for each in one.node.args[1:]]
    return ", ".join(source.code(each).rstrip(", ") for source, each in given)


def _sharded(source: Source) -> Iterator[tuple[str, Any]]:
    """The statements `fully_shard(block, …)` in a loop over blocks that compiles none of them, with the block's name."""
    for loop in walk(source.module):
        if not (
            isinstance(loop, cst.For) and isinstance(loop.target, cst.Name) and isinstance(loop.body, cst.IndentedBlock)
        ):
            continue
        name = loop.target.value
        if f"{name}.compile(" in source.code(loop):
            continue
        for statement in loop.body.body:
            small = only(statement)
            call = small.value if isinstance(small, cst.Expr) else None
            if not (isinstance(call, cst.Call) and call.args):
                continue
            if source.code(call.func).rpartition(".")[2] == "fully_shard" and source.code(call.args[0].value) == name:
                yield name, statement


REWRITE = Rewrite("blocks-before-sharding", ("(skipped:)?compiler-disable-inside",), propose)
