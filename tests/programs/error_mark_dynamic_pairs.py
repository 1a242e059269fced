"""Pairwise scores with a fixed set of anchors; the number of queries is marked as dynamic, and then compared with it.

Truth: an elementwise product of both fixes the marked dimension to 5. Eager works.
"""
# summary verdict=unhealthy exit=1
# says CD106: Dimension 0 of `queries`
# says CD106: torch._dynamo.maybe_mark_dynamic(queries, 0)
import torch
from torch import nn


class AnchorScore(nn.Module):
    def __init__(self, anchors=5, dim=4):
        super().__init__()
        self.register_buffer("anchors", torch.randn(anchors, dim))
        self.scale = nn.Linear(dim, dim)

    def score(self, queries):
        return (queries * self.anchors).sum(dim=-1)  # expect CD106 marked-dynamic

    def forward(self, queries):
        return self.score(torch.tanh(self.scale(queries)))


def build_model():
    return AnchorScore().eval()


def example_inputs():
    queries = torch.randn(5, 4)
    torch._dynamo.mark_dynamic(queries, 0)
    return (queries,)
