"""Scores by F.linear, with the keys as its weight, added to a bias by addmm.

Truth: the keys are computed, not learned: the scores are a tensor of the graph.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(1)


class Attention(nn.Module):
    def __init__(self, dim=32):
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(dim, dim) for _ in range(3))

    def forward(self, x):
        scores = F.linear(self.q(x), self.k(x)) / x.shape[1] ** 0.5
        weights = scores.softmax(-1)  # expect CD505 by-hand
        return torch.addmm(x, weights, self.v(x))


def build_model():
    return Attention()


def example_inputs():
    return (torch.randn(1024, 32),)
