"""Attention within windows of 7 by 7 with a relative bias, by hand, as Swin has it.

Truth: 49 by 49 scores for a window are fewer than its inputs.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
from torch import nn

torch.set_num_threads(1)


class Windows(nn.Module):
    def __init__(self):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(2, 49, 49))

    def forward(self, q, k, v):
        weights = torch.softmax(q @ k.transpose(-2, -1) * 32**-0.5 + self.bias, dim=-1)
        return torch.tanh(weights @ v)


def build_model():
    return Windows()


def example_inputs():
    return tuple(torch.randn(64, 2, 49, 32) for _ in range(3))
