"""Attention whose weights are the exponential of their logarithm, which also gives the entropy.

Truth: by hand: the weights of every head are a tensor of the graph, and so are their logarithms.
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
        logs = F.log_softmax(q @ k.mT / q.shape[-1] ** 0.5, dim=-1)
        weights = logs.exp()  # expect CD505 by-hand
        return weights @ v, -(weights * logs).sum(-1).mean()


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 1024, 32) for _ in range(3))
