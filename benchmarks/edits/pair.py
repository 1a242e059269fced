"""Two breaks of one kind in a line, and nothing else."""

import torch
from torch import nn


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(8, 8)

    def forward(self, x):
        y = self.proj(x)
        low, high = y.min().item(), y.max().item()
        return (y - low) / (1.0 + high - low)


def build_model():
    return Pair().eval()


def example_inputs():
    return (torch.randn(4, 8),)
