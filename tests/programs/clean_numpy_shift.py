"""Augmentation that draws its shift with numpy.random in forward.

Clean: Dynamo traces the call and lets torch draw the numbers, so the outputs differ and cannot be compared.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 verdict=healthy exit=0
# requires numpy
import numpy as np
import torch
from torch import nn


class Shifted(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(8, 8)

    def forward(self, x):
        shift = np.random.uniform(low=-1.0, high=1.0, size=(8,))
        return self.body(x + torch.tensor(shift, dtype=x.dtype))


def build_model():
    return Shifted()


def example_inputs():
    return (torch.randn(2, 8),)
