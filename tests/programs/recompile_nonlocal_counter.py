"""Warm-up whose factor comes from a closure that counts its calls with `nonlocal`.
Truth: the function is made once; its cell `calls` is another int at each call, and each one compiles forward again. torch 2.9
to 2.11 does not guard the cell: every call computes with the first factor, and only the first output is right.
"""
# recorded [>=2.9]
# summary graph_breaks=0 recompiles=3 graphs=4 exit=0
# summary [<2.12] recompiles=0 graphs=1
# says CD204: [>=2.12] Keep `calls` as a tensor
# never CD204: Create the function once
import torch
from torch import nn


def make_warmup(limit):
    calls = 0

    def scale(x):
        nonlocal calls  # expect CD702 stale-module-closure [<2.12]
        calls += 1
        return x * min(1.0, calls / limit)

    return scale


class Warm(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(8, 8)
        self.scale = make_warmup(10)

    def forward(self, x):
        return self.scale(self.lin(x)).relu()  # expect CD204 nonlocal-counter [>=2.12]


def build_model():
    return Warm()



def example_input_sets():
    return [(torch.randn(4, 8),) for _ in range(4)]
