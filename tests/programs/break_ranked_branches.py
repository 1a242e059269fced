"""Branches in the order of Python numbers, as pairs with the tensors themselves."""

# summary graph_breaks=1 verdict=unhealthy exit=1 [<2.14]
# says CD101: sorted(ranked, key=lambda pair: pair[0]) [<2.14]
import torch
from torch import nn


class Fuse(nn.Module):
    def __init__(self):
        super().__init__()
        self.wide, self.deep = nn.Linear(8, 4), nn.Linear(8, 4)

    def forward(self, x):
        ranked = [(2, self.wide(x)), (1, self.deep(x))]
        first, second = sorted(ranked)  # expect CD101 sorted [<2.14]
        return first[1] - second[1]


def build_model():
    return Fuse().eval()


def example_inputs():
    return (torch.randn(3, 8),)
