"""Probe whose metrics are lambdas in a dict; each reads a number.
Truth: `.item()` in the two lambdas, in a comprehension of forward, so that Dynamo gives forward up.
"""
# recorded [>=2.8]
# summary graph_breaks=2 verdict=unhealthy exit=1
# never CD101: METRICS.items()
import torch
from torch import nn

METRICS = {
    "max": lambda t: t.abs().max().item(),  # expect CD101 item
    "mean": lambda t: t.mean().item(),  # expect CD101 item
}


class Probe(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(8, 8)
        self.last = {}

    def forward(self, x):  # expect CD104 skipped [>=2.13]
        hidden = self.lin(x)
        self.last = {name: function(hidden) for name, function in METRICS.items()}
        return hidden.relu()


def build_model():
    return Probe()


def example_inputs():
    return (torch.randn(2, 8),)
