"""Twelve identical encoder layers, each printing a tensor statistic.

Truth: one root-cause line, hit twelve times (CD101, count folded). The break reaches
Encoder.forward inside its loop over the layers, so that frame is skipped (CD104).
"""
# summary graph_breaks=1 recompiles=0 frames_skipped=1 verdict=unhealthy exit=1
import torch
from torch import nn


class Layer(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))

    def forward(self, x):
        y = self.mlp(self.norm(x))
        print("residual", y.abs().mean())  # expect CD101 print
        return x + y


class Encoder(nn.Module):
    def __init__(self, dim=8, depth=12):
        super().__init__()
        self.layers = nn.ModuleList(Layer(dim) for _ in range(depth))
        self.norm = nn.LayerNorm(dim)

    def forward(self, x):  # expect CD104 loop-break
        for layer in self.layers:
            x = layer(x)
        return self.norm(x)


def build_model():
    return Encoder().eval()


def example_inputs():
    return (torch.randn(2, 3, 8),)
