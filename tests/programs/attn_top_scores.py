"""Sparse attention that keeps the 32 largest scores of each row, by topk and scatter.

Truth: the table of all scores is made before the largest are known. No fused kernel sees a whole row.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 graphs=1 verdict=healthy exit=0
# says CD505: chosen by the others of their row
# says CD505: some queries at a time
# backend inductor
import torch
from torch import nn


class Attention(nn.Module):
    def forward(self, q, k, v):
        scores = q @ k.mT * 0.25
        largest, at = scores.topk(32, dim=-1)
        scores = torch.full_like(scores, float("-inf")).scatter(-1, at, largest)
        return scores.softmax(-1) @ v  # expect CD505 by-hand


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 512, 16) for _ in range(3))
