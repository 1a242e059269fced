"""Attention with a single head, on matrices: the products are mm.

Truth: the scores are a tensor of the graph; no pattern of Inductor has two dimensions.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
from torch import nn

torch.set_num_threads(1)


class Attention(nn.Module):
    def forward(self, q, k, v):
        scores = torch.mm(q, k.t()) / q.shape[1] ** 0.5
        weights = torch.softmax(scores, dim=1)  # expect CD505 by-hand
        return torch.mm(weights, v)


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1024, 32) for _ in range(3))
