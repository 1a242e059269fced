"""Key cache that is written at a position held in a tensor.

Truth: the slice's bound is a tensor, in a statement that stores: Dynamo compiles what comes before it, and runs it and all
that follows in forward in plain Python. torch 2.8 and 2.9 do not record the line.
"""
# summary graph_breaks=1 recompiles=0 graphs=1 frames_skipped=1 verdict=unhealthy exit=1
# says CD104: the rest of the function, lines 23 to 25, runs in plain Python [>=2.10]
# says CD104: left the rest of the function to plain Python [<2.10]
import torch
from torch import nn


class CachedKeys(nn.Module):
    def __init__(self, dim=8, slots=64):
        super().__init__()
        self.project = nn.Linear(dim, dim)
        self.register_buffer("keys", torch.zeros(1, slots, dim))
        self.register_buffer("position", torch.zeros(1, dtype=torch.long))

    def forward(self, x):  # expect CD104 rest-from-the-store; expect CD101 unrecorded-line [<2.10]
        k = self.project(x)
        start = self.position[0]
        self.keys[:, start : start + x.shape[1]] = k  # expect CD101 tensor-bound [>=2.10]
        self.position.add_(x.shape[1])
        return self.keys.sum(1) + k.mean(1)


def build_model():
    return CachedKeys()


def example_inputs():
    return (torch.randn(1, 4, 8),)
