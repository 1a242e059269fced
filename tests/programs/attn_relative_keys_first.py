"""Learned relative keys, multiplied before the keys are: two products make the scores.

Truth: by hand: the scores of every head are a tensor of the graph.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
from torch import nn

torch.set_num_threads(1)


class Attention(nn.Module):
    def __init__(self, tokens=1024, dim=32):
        super().__init__()
        self.relative = nn.Parameter(torch.randn(tokens, dim))

    def forward(self, q, k, v):
        scores = q @ self.relative.mT + q @ k.mT
        return (scores / q.shape[-1] ** 0.5).softmax(-1) @ v  # expect CD505 by-hand


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 1024, 32) for _ in range(3))
