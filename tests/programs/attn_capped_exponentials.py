"""Attention with capped scores, whose softmax is written as exponentials over their sum: the cap makes a maximum needless.

Truth: by hand, a tensor of scores for every head. No pattern of Inductor has it.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0
# backend inductor
import torch
from torch import nn

torch.set_num_threads(1)


class Attention(nn.Module):
    def forward(self, q, k, v):
        scores = 30 * torch.tanh(q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5 / 30)
        exponentials = scores.exp()
        weights = exponentials / exponentials.sum(-1, keepdim=True)  # expect CD505 by-hand
        return weights @ v


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 1024, 32) for _ in range(3))
