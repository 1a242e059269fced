"""Attention whose softmax is written as exponentials over their sum, as in retrieval models.

Truth: this is how Inductor writes a softmax itself: its pattern matcher puts in SDPA's flash kernel.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0
# backend inductor
import torch
from torch import nn
torch.set_num_threads(1)

class Attention(nn.Module):
    def forward(self, q, k, v):
        scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
        exponentials = torch.exp(scores - scores.amax(-1, keepdim=True))
        weights = exponentials / exponentials.sum(-1, keepdim=True)
        return weights @ v


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 1024, 32) for _ in range(3))
