"""Scores and weighted values by multiplications and sums, without any product of matrices; keys before queries.

Truth: one kernel of Inductor computes the scores, and keeps them for the two that follow: a table for each head.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 graphs=1 verdict=healthy exit=0
# backend inductor
import torch
from torch import nn


class Attention(nn.Module):
    def forward(self, q, k, v):
        scores = torch.sum(k.unsqueeze(2) * q.unsqueeze(3), dim=-1)
        weights = torch.softmax(scores, dim=-1)  # expect CD505 by-hand
        return (weights.unsqueeze(-1) * v.unsqueeze(2)).sum(3)


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 512, 16) for _ in range(3))
