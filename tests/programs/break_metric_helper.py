"""Router whose metrics are gathered by a helper in another module (lib_metrics.py).

Truth: the cause is in lib_metrics.track, labelled there; nothing in this file breaks by itself.
"""
# summary graph_breaks=1 recompiles=1 frames_skipped=0 verdict=unhealthy exit=1
# labels-in lib_metrics.py
import lib_metrics
import torch
from torch import nn


class Router(nn.Module):
    def __init__(self, dim=8, experts=4):
        super().__init__()
        self.gate = nn.Linear(dim, experts)
        self.history = {}

    def forward(self, x):
        probabilities = self.gate(x).softmax(dim=-1)
        uncertainty = lib_metrics.track(self.history, "entropy", lib_metrics.entropy(probabilities))
        return probabilities * torch.exp(-uncertainty)


def build_model():
    return Router().eval()


def example_inputs():
    return (torch.randn(5, 8),)
