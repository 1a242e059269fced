"""A router that has what a baseline puts up with: breaks, a skipped frame, recompilations, a break in a package."""

import torch
from toolbox import log_norm
from torch import nn

WIDTH = 16


def temperature(scores):
    value = scores.max().item()
    return scores / (1.0 + abs(value))


def clip(x):
    if x.abs().max() > 3.0:
        return x.clamp(-3.0, 3.0)
    return x * 0.5


class Expert(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        return self.up(x).relu()


class Experts(nn.Module):
    def __init__(self):
        super().__init__()
        self.experts = nn.ModuleList(Expert() for _ in range(3))

    def forward(self, x):
        norms = []
        for expert in self.experts:
            x = expert(x)
            norms.append(x.norm().item())
        return x, norms


class Router(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(WIDTH, WIDTH)
        self.experts = Experts()

    def forward(self, x, scale):
        scores = self.gate(x) * scale
        print("scores", scores.shape)
        weights = temperature(scores).softmax(-1)
        mixed, norms = self.experts(x * weights)
        return log_norm(clip(mixed))


def build_model():
    return Router().eval()


def example_input_sets():
    return [(torch.randn(4, WIDTH), scale) for scale in (0.5, 0.7, 0.9)]
