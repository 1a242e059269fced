"""Warm-up whose factor comes from a closure that counts its calls with `nonlocal`.
Truth: the function is made once; its cell `calls` is another int at each call, and each one compiles forward again.
"""
# recorded [>=2.12]
# summary graph_breaks=0 recompiles=3 graphs=4 exit=0
# says CD204: Keep `calls` as a tensor
# never CD204: Create the function once
import torch
from torch import nn


def make_warmup(limit):
    calls = 0

    def scale(x):
        nonlocal calls
        calls += 1
        return x * min(1.0, calls / limit)

    return scale


class Warm(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(8, 8)
        self.scale = make_warmup(10)

    def forward(self, x):
        return self.scale(self.lin(x)).relu()  # expect CD204 nonlocal-counter


def build_model():
    return Warm()



def example_input_sets():
    return [(torch.randn(4, 8),) for _ in range(4)]
