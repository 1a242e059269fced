"""Attention written by einsum, the values before the weights.

Truth: by hand: the einsum sums over the keys, whichever operand comes first.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
from torch import nn

torch.set_num_threads(1)


class Attention(nn.Module):
    def forward(self, q, k, v):
        weights = torch.einsum("bqhd,bkhd->bhqk", q, k).softmax(-1)  # expect CD505 by-hand
        return torch.einsum("bkhd,bhqk->bqhd", v, weights)


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 1024, 2, 32) for _ in range(3))
