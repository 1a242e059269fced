"""The breaks that torch makes itself, on purpose: whose they are, what they cost, and what the user can do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compile_doctor.analysis.graph_breaks.causes import Cause

if TYPE_CHECKING:
    from compile_doctor.analysis.context import AnalysisContext
    from compile_doctor.analysis.graph_breaks.sites import BreakSite

_ON_PURPOSE = frozenset(
    {"explicit-graph-break", "compiler-disabled-function", "compiler-disable-inside", "skipped-function"}
)
"""Causes by which torch's authors keep something out of graphs; any other break in torch's files is a limit of torch's."""


@dataclass(frozen=True)
class ByDesign:
    """A break of torch's own. `whose` is a noun, for "… breaks the graph on purpose"."""

    whose: str
    why: str
    fix: str


_OPTIMIZER = ByDesign(
    "the optimizer's step",
    "torch's `Optimizer` calls `torch._dynamo.graph_break()` itself before each `step()`, so that the update is a graph "
    "of its own. The update is compiled; only a few lines of bookkeeping run in plain Python.",
    "Nothing to fix: the break is in every compiled optimizer step, with torch.compile(optimizer.step) too.",
)
_DDP = ByDesign(
    "DistributedDataParallel",
    "DistributedDataParallel keeps a few lines of its own forward out of graphs. The module that it wraps is compiled.",
    "Nothing to fix. Keep torch.compile around DistributedDataParallel, as in "
    "torch.compile(DistributedDataParallel(model)): torch then splits the graph at the buckets of gradients, and "
    "communication overlaps with the backward pass.",
)
_FSDP = ByDesign(
    "FSDP",
    "`fully_shard` installs hooks that gather and free the parameters. torch runs them outside of graphs, so a compiled "
    "region ends at each sharded module.",
    "# Compile each block before it is sharded, and not the whole model around the hooks:\n"
    "for block in model.blocks:\n"
    "    block.compile()\n"
    "    fully_shard(block)\n"
    "fully_shard(model)",
)
_CHECKPOINT = ByDesign(
    "activation checkpointing",
    "torch keeps parts of `torch.utils.checkpoint` out of graphs.",
    "Pass use_reentrant=False: Dynamo then traces the checkpointed function into the graph.",
)
_KNOWN = (
    (re.compile(r"[/\\]torch[/\\]distributed[/\\](?:fsdp|_composable)[/\\]"), _FSDP, False),
    (re.compile(r"[/\\]torch[/\\]nn[/\\]parallel[/\\]distributed\.py$"), _DDP, False),
    (re.compile(r"[/\\]torch[/\\]optim[/\\]"), _OPTIMIZER, True),
    (re.compile(r"[/\\]torch[/\\]utils[/\\]checkpoint\.py$"), _CHECKPOINT, True),
)
"""By file; the last value is whether only breaks on purpose count: hooks of FSDP run outside of graphs whatever they do."""


def by_design(seen: AnalysisContext, site: BreakSite) -> ByDesign | None:
    """What torch breaks on purpose at this site; None for a break of anybody else, or one that is not on purpose."""
    return _of_torch(site.frame.file, site.cause) if seen.owner(site.frame.file) == "torch" else None


def is_deliberate(seen: AnalysisContext, site: BreakSite) -> bool:
    """Whether somebody wants the graph to end there: the user, by their own code, or torch, in code of its own."""
    return by_design(seen, site) is not None or (site.cause.deliberate and seen.owner(site.frame.file) == "mine")


def _of_torch(file: str, cause: Cause) -> ByDesign | None:
    for pattern, known, only_on_purpose in _KNOWN:
        if pattern.search(file) and (not only_on_purpose or cause.key in _ON_PURPOSE):
            return known
    return None
