"""Decoder compiled layer by layer (regional compilation), each layer with its own layer_idx.

Truth: all layers share one code object, and layer_idx is an int attribute of a module: static, so
each layer compiles the function again.
"""
# summary graph_breaks=0 recompiles=3 graphs=4 frames_skipped=0 exit=0
# option --as-is
import torch
from torch import nn


class DecoderLayer(nn.Module):
    def __init__(self, dim, layer_idx):
        super().__init__()
        self.layer_idx = layer_idx
        self.norm = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.SiLU(), nn.Linear(2 * dim, dim))

    def forward(self, x):
        y = self.mlp(self.norm(x))
        scale = 1.0 / (self.layer_idx + 1)  # expect CD203 layer-idx
        return x + scale * y


class Decoder(nn.Module):
    def __init__(self, dim=8, depth=4):
        super().__init__()
        self.layers = nn.ModuleList(DecoderLayer(dim, index) for index in range(depth))
        for layer in self.layers:
            layer.compile(backend="eager")

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


def build_model():
    return Decoder().eval()


def example_inputs():
    return (torch.randn(2, 3, 8),)
