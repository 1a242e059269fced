"""Warm-up whose factor comes from a closure that counts its calls, as an attribute of a module.
Truth: torch 2.9 to 2.11 does not guard the cell: every call computes with the first factor. The output of the first call,
which is compared with eager mode, is right.
"""
# recorded [>=2.9,<2.12]
# summary graph_breaks=0 recompiles=0 graphs=1 exit=0
import torch
from torch import nn


def make_warmup(limit):
    calls = 0

    def scale(x):
        nonlocal calls  # expect CD702 stale-module-closure
        calls += 1
        return x * min(1.0, calls / limit)

    return scale


class Warm(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(8, 8)
        self.scale = make_warmup(10)

    def forward(self, x):
        return self.scale(self.lin(x)).relu()


def build_model():
    return Warm()



def example_input_sets():
    return [(torch.randn(4, 8),) for _ in range(4)]
