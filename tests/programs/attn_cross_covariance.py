"""Attention over channels (XCiT): the softmax is over 32 by 32 for each head.

Truth: its size does not depend on the tokens.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(1)


class Attention(nn.Module):
    def forward(self, q, k, v):
        q, k = F.normalize(q, dim=-2), F.normalize(k, dim=-2)
        weights = torch.softmax(q.transpose(-2, -1) @ k, dim=-1)
        return (weights @ v.transpose(-2, -1)).transpose(-2, -1)


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 1024, 32) for _ in range(3))
