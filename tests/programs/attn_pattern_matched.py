"""softmax(q @ k.T) @ v in a spelling that Inductor's pattern matcher replaces by SDPA (fuse_attention.py).

Truth: the generated code calls the flash kernel, so that nothing keeps the scores.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 verdict=healthy exit=0
# backend inductor
import torch
from torch import nn


class Attention(nn.Module):
    def forward(self, q, k, v):
        return torch.softmax(q @ k.transpose(-2, -1) / 4.0, dim=-1).matmul(v).tanh()


def build_model():
    return Attention().eval()


def example_inputs():
    return tuple(torch.randn(1, 4, 512, 16) for _ in range(3))
