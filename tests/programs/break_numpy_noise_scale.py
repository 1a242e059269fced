"""A noise scale from numpy's generator: one draw, a number."""

# requires numpy
# summary graph_breaks=1 verdict=unhealthy exit=1
# says CD101: return x + noise * torch.rand((), device=
import numpy as np
import torch
from torch import nn


class Jitter(nn.Module):
    def forward(self, x):
        noise = torch.zeros_like(x) + 1
        return x + noise * np.random.rand()  # expect CD101 numpy-random


def build_model():
    return Jitter().eval()


def example_inputs():
    return (torch.randn(4, 8),)
