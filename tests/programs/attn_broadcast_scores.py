"""Scores by a multiplication of broadcast tensors and a sum: (q[:, :, None] * k[:, None]).sum(-1).

Truth: Inductor fuses the two into one kernel, and keeps the result: a table of scores for each head, which the product with
the values reads.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 graphs=1 verdict=healthy exit=0
# says CD505: a multiplication and a sum instead of a product
# backend inductor
import torch
from torch import nn


class Attention(nn.Module):
    def forward(self, q, k, v):
        scores = (q[:, :, :, None, :] * k[:, :, None, :, :]).sum(-1) / q.shape[-1] ** 0.5
        return scores.softmax(-1) @ v  # expect CD505 by-hand


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 512, 16) for _ in range(3))
