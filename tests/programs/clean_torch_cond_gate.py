"""Early-exit classifier whose data-dependent branch is written with torch.cond.

Clean: the branch is a higher-order operator in the graph, not Python control flow.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 frames_skipped=0 verdict=healthy exit=0
import torch
from torch import nn


class EarlyExit(nn.Module):
    def __init__(self, dim=8, classes=3):
        super().__init__()
        self.stem = nn.Linear(dim, dim)
        self.scale = nn.Parameter(torch.ones(dim))
        self.head = nn.Linear(dim, classes)

    def forward(self, x):
        hidden = torch.relu(self.stem(x))
        confident = hidden.abs().mean() > 0.5

        def shallow(h):
            return h * 2.0

        def deep(h):
            return torch.tanh(h + 1.0)

        hidden = torch.cond(confident, shallow, deep, (hidden,))
        return self.head(hidden * self.scale)


def build_model():
    return EarlyExit().eval()


def example_inputs():
    return (torch.randn(4, 8),)
