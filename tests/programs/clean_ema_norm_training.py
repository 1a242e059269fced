"""Normalisation layer in training mode which updates its running statistics in place.

Clean: buffer mutation and `if self.training` are traced; the flag is a constant here.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 frames_skipped=0 verdict=healthy exit=0
# option --grad
import torch
from torch import nn


class EmaRMSNorm(nn.Module):
    def __init__(self, dim=12, momentum=0.1, eps=1e-5):
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.weight = nn.Parameter(torch.ones(dim))
        self.register_buffer("running_ms", torch.ones(dim))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def forward(self, x):
        if self.training:
            ms = x.square().mean(dim=(0, 1))
            with torch.no_grad():
                self.running_ms.mul_(1 - self.momentum).add_(ms, alpha=self.momentum)
                self.steps += 1
        else:
            ms = self.running_ms
        return x * torch.rsqrt(ms + self.eps) * self.weight


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = EmaRMSNorm(), EmaRMSNorm()
        self.mlp = nn.Sequential(nn.Linear(12, 24), nn.GELU(), nn.Dropout(0.1), nn.Linear(24, 12))

    def forward(self, x):
        return self.norm2(x + self.mlp(self.norm1(x)))


def build_model():
    return Encoder().train()


def example_inputs():
    return (torch.randn(2, 5, 12),)
