"""Attention whose weights are exponentials of the scores less their logsumexp.

Truth: by hand: the weights of every head are a tensor of the graph.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
from torch import nn

torch.set_num_threads(1)


class Attention(nn.Module):
    def forward(self, q, k, v):
        scores = q @ k.mT / q.shape[-1] ** 0.5
        weights = torch.exp(scores - torch.logsumexp(scores, dim=-1, keepdim=True))  # expect CD505 by-hand
        return weights @ v


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 1024, 32) for _ in range(3))
