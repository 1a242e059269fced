"""Pooling layer whose reduction is chosen by a string argument.

Truth: a str argument is a constant, guarded by equality where forward first compares it.
"""
# summary graph_breaks=0 recompiles=2 graphs=3 frames_skipped=0 exit=0
import torch
from torch import nn


class SequencePool(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.score, self.out = nn.Linear(dim, 1), nn.Linear(dim, dim)

    def forward(self, x, mode):
        weight = self.score(x).softmax(dim=1)
        if mode == "mean":  # expect CD201 str-argument
            pooled = x.mean(dim=1)
        elif mode == "max":
            pooled = x.amax(dim=1)
        else:
            pooled = (weight * x).sum(dim=1)
        return torch.tanh(self.out(pooled))


def build_model():
    return SequencePool().eval()


def example_input_sets():
    x = torch.randn(2, 5, 8)
    return [(x, "mean"), (x, "max"), (x, "attention")]
