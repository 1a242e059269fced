"""Compiles its parts itself, and runs what lies between them as it is."""

import torch
from torch import nn


class Part(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(8, 8)

    def forward(self, x):
        return self.proj(x).relu()


class Pipeline(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.compile(Part(), backend="eager")
        self.second = torch.compile(nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8)), backend="eager")

    def forward(self, x):
        x = self.first(x)
        return self.second(x.detach().clone())


def build_model():
    return Pipeline().eval()


def example_inputs():
    return (torch.randn(4, 8),)
