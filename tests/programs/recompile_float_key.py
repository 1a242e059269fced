"""Noise levels looked up in a dict by a float argument.

Truth: the argument selects a Python entry, so it is a constant: a tensor cannot be a key of that dict.
"""
# summary graph_breaks=0 recompiles=2 graphs=3 frames_skipped=0 exit=0
# says CD201: selects an entry of a Python container
# never CD201: torch.tensor(
import torch
from torch import nn


class Denoise(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(8, 8)
        self.weights = {0.1: 3.0, 0.2: 4.0, 0.3: 5.0}

    def forward(self, x, level):
        return self.lin(x) * self.weights[level]  # expect CD201 float-key


def build_model():
    return Denoise().eval()


def example_input_sets():
    return [(torch.randn(2, 8), level) for level in (0.1, 0.2, 0.3)]
