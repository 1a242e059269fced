"""Batch augmentation: shuffles the channels with NumPy's generator and adds noise.

Truth: numpy.random is not traced.
"""
# summary graph_breaks=1 recompiles=0 graphs=2 frames_skipped=0 verdict=unhealthy exit=1
# requires numpy
import numpy as np
import torch
from torch import nn


class Augment(nn.Module):
    def __init__(self):
        super().__init__()
        self.mean = nn.Parameter(torch.full((3, 1, 1), 0.5))

    def forward(self, images):
        x = images - self.mean
        order = np.random.permutation(3)  # expect CD101 numpy-random
        x = x[:, torch.as_tensor(order)]
        noise = torch.randn_like(x) * 0.01
        return (x + noise).clamp(-1, 1).flip(-1)


def build_model():
    return Augment()


def example_inputs():
    return (torch.rand(2, 3, 8, 8),)
