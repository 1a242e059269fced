"""Feature store guarded by a threading.Lock inside forward.

Truth: a lock is no context manager Dynamo knows, so the `with` line breaks; the break is at
the `with`, the block itself is fine.
"""
# summary graph_breaks=1 recompiles=0 verdict=unhealthy exit=1
import threading

import torch
from torch import nn


class FeatureStore(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.proj = nn.Linear(dim, dim)
        self.out = nn.Linear(dim, 2)
        self.lock = threading.Lock()
        self.register_buffer("bank", torch.zeros(dim))

    def forward(self, x):  # expect CD101 unrecorded-line [<2.10]; expect CD104 rest-from-the-with
        hidden = torch.tanh(self.proj(x))
        with self.lock:  # expect CD101 lock [>=2.10]
            self.bank.mul_(0.9).add_(hidden.mean(dim=0), alpha=0.1)
        return self.out(hidden + self.bank)


def build_model():
    return FeatureStore().eval()


def example_inputs():
    return (torch.randn(4, 8),)
