"""Attention written out for 64 queries at a time, which bounds its memory.

Truth: each piece holds 64 by 1,024 scores for a head, no more than the inputs.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
from torch import nn

torch.set_num_threads(1)


class Attention(nn.Module):
    def forward(self, q, k, v):
        pieces = []
        for part in q.split(64, 2):
            weights = torch.softmax(torch.tanh(part @ k.transpose(-2, -1)), dim=-1)
            pieces.append(weights @ v)
        return torch.cat(pieces, 2)


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 1024, 32) for _ in range(3))
