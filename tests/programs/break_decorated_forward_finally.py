"""Model whose forward is wrapped by a profiling decorator with try/finally.

Truth: the root cause is the print in Critic.features. Dynamo cannot resume inside try/finally, so the
wrapper's own frame is given up (CD104), and forward and features are compiled as frames of their own.
"""
# summary graph_breaks=1 frames_skipped=1 recompiles=0 verdict=unhealthy exit=1
import functools

import torch
from torch import nn

CALLS = {"running": 0}


def profiled(function):
    def wrapper(self, *args):  # expect CD104 finally-wrapper
        CALLS["running"] += 1
        try:
            return function(self, *args)
        finally:
            CALLS["running"] -= 1

    return functools.wraps(function)(wrapper)


class Critic(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.body, self.value = nn.Linear(dim, 16), nn.Linear(16, 1)

    def features(self, x):
        hidden = torch.relu(self.body(x))
        print(hidden.mean())  # expect CD101 print
        return hidden

    @profiled
    def forward(self, x):
        return self.value(self.features(x)).squeeze(-1)


def build_model():
    return Critic().eval()


def example_inputs():
    return (torch.randn(4, 8),)
