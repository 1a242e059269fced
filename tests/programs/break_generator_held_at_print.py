"""Pyramid that makes a generator over its levels, prints, and then consumes the generator.

Truth: print breaks the graph while a generator is alive, which Dynamo cannot rebuild before torch 2.14: a second reason in
the same compilation, so it gives forward up. One cause, one finding.
"""
# summary graph_breaks=1 recompiles=0 verdict=unhealthy exit=1
import torch
from torch import nn


def fuse(levels):
    total = 0
    for level in levels:
        total = total + level.tanh()
    return total


def normalise(x):
    return x / x.norm()


class Pyramid(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.levels = nn.ModuleList(nn.Linear(dim, dim) for _ in range(3))

    def forward(self, x):  # expect CD104 skipped [<2.14]
        levels = (level(x) for level in self.levels)
        print("levels", len(self.levels))  # expect CD101 print
        return normalise(fuse(levels))


def build_model():
    return Pyramid().eval()


def example_inputs():
    return (torch.randn(2, 8),)
