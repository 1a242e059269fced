"""The patterns of fused attention match only a softmax over the last dim."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch._inductor.pattern_matcher import FailedMatch

if TYPE_CHECKING:
    from torch._inductor.pattern_matcher import Match, PatternExpr

_aten = torch.ops.aten
_ATTENTION = {"query", "key", "value"}


def match(
    original: Callable[[PatternExpr, torch.fx.Node], Match | FailedMatch],
) -> Callable[[PatternExpr, torch.fx.Node], Match | FailedMatch]:
    def with_softmax_over_the_last_dim(self: PatternExpr, node: torch.fx.Node) -> Match | FailedMatch:
        found = original(self, node)
        # Only the attention patterns have these arguments. Other patterns, and what has failed already, do not change.
        if found and found.kwargs.keys() >= _ATTENTION and not all(map(_last_dim, found.nodes)):
            return FailedMatch("softmax over another dim than the last one")
        return found

    return with_softmax_over_the_last_dim


def _last_dim(node: torch.fx.Node) -> bool:
    """Whether a node is not one of softmax's two reductions, or reduces only the last dim."""
    if node.target is _aten.sum.dim_IntList:  # the gradient of a mask is a sum as well, over other dims
        if getattr(node.args[0], "target", None) is not _aten.exp.default:
            return True
    elif node.target is not _aten.amax.default:
        return True
    dims = list(node.args[1])
    value = node.args[0].meta.get("val")
    return dims == [-1] or (value is not None and dims == [value.ndim - 1])
