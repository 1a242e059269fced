"""Deterministic dropout that reseeds the global generator, and warns, inside forward.

Truth: see the labels; torch.manual_seed and warnings.warn both reach code Dynamo does not trace.
"""
# summary verdict=unhealthy exit=1
import warnings

import torch
from torch import nn


class SeededDropout(nn.Module):
    def __init__(self, dim=8, rate=0.2, seed=7):
        super().__init__()
        self.rate, self.seed = rate, seed
        self.first, self.second = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def forward(self, x):
        hidden = torch.relu(self.first(x))
        torch.manual_seed(self.seed)  # expect CD101 manual-seed
        keep = (torch.rand_like(hidden) > self.rate).to(hidden.dtype)
        hidden = hidden * keep / (1 - self.rate)
        if hidden.shape[-1] < 16:
            warnings.warn("narrow layer")  # expect CD101 warn
        return self.second(hidden)


def build_model():
    return SeededDropout().train()


def example_inputs():
    return (torch.randn(4, 8),)
