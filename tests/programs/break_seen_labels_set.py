"""Classifier that keeps the tuples of labels which it has predicted, in a set.
Truth: `.tolist()` breaks, and the set, which was empty at the first call, compiles that function again. A tuple of tensors
would be another member at each call: only the caller can add it.
"""
# recorded [>=2.8]
# summary graph_breaks=1 verdict=unhealthy exit=1
# never CD101: self.names.add(tuple(t.argmax(-1)))
# says CD201: Do not let `names` grow
import torch
from torch import nn


class Seen:
    def __init__(self):
        self.names = set()

    def add(self, t):
        self.names.add(tuple(t.argmax(-1).tolist()))  # expect CD101 tolist [>=2.10]; expect CD102 tolist [<2.10]; expect CD201 set


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(8, 8)
        self.seen = Seen()

    def forward(self, x):
        hidden = self.lin(x)
        self.seen.add(hidden)
        return hidden * 2


def build_model():
    return Net()


def example_inputs():
    return (torch.randn(3, 8),)
