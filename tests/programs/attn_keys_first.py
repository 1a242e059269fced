"""Attention with the keys first: k @ q.T, softmax over the second last dimension, and the values from the right.

Truth: by hand, a tensor of scores for every head.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0
# backend inductor
import torch
from torch import nn
torch.set_num_threads(1)

class Attention(nn.Module):
    def forward(self, q, k, v):
        scores = torch.matmul(k, q.transpose(-1, -2)) * q.shape[-1] ** -0.5
        weights = torch.softmax(scores, dim=-2)  # expect CD505 by-hand
        return torch.matmul(v.transpose(-1, -2), weights).transpose(-1, -2)


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 1024, 32) for _ in range(3))
