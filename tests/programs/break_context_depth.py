"""Block that sets a context variable while it runs, and resets it after that.
Truth: neither `set` nor `reset` of a ContextVar is traced.
"""
# recorded [>=2.8]
# summary graph_breaks=2 verdict=unhealthy exit=1
# says CD101: DEPTH.reset(token)    # in the caller, after the compiled call
import contextvars

import torch
from torch import nn

DEPTH = contextvars.ContextVar("depth", default=0)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(8, 8)

    def forward(self, x):
        token = DEPTH.set(1)  # expect CD101 set
        y = self.lin(x).relu()
        DEPTH.reset(token)  # expect CD101 reset
        return y


def build_model():
    return Block()


def example_inputs():
    return (torch.randn(2, 8),)
