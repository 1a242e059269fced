"""Attention written with einsum, with a soft cap that no pattern of Inductor has.

Truth: the scores of every head are a tensor of the graph.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0
# backend inductor
import torch
from torch import nn

torch.set_num_threads(1)


class Attention(nn.Module):
    def forward(self, q, k, v):
        scores = torch.einsum("bhqd,bhkd->bhqk", q, k) * 32**-0.5
        weights = torch.softmax(20 * torch.tanh(scores / 20), dim=-1)  # expect CD505 by-hand
        return torch.einsum("bhqk,bhkd->bhqd", weights, v).relu()


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 1024, 32) for _ in range(3))
