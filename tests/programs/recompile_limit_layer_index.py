"""The same regional compilation with twelve layers: more than recompile_limit (8) allows.

Truth: the int attribute recompiles eight graphs (CD203), then Dynamo gives the function up and layers
nine to twelve run eagerly (CD202).
"""
# summary graph_breaks=0 recompiles=7 graphs=8 exit=1 verdict=unhealthy
# option --as-is
import torch
import torch.nn.functional as F
from torch import nn


class WindowAttention(nn.Module):
    def __init__(self, dim, layer_idx, heads=2):
        super().__init__()
        self.layer_idx, self.heads = layer_idx, heads
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x):  # expect CD202 recompile-limit
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        shift = self.layer_idx % 3  # expect CD203 layer-idx
        y = F.scaled_dot_product_attention(q, k.roll(shift, dims=2), v.roll(shift, dims=2))
        return x + self.out(y.transpose(1, 2).flatten(2))


class Backbone(nn.Module):
    def __init__(self, dim=8, depth=12):
        super().__init__()
        self.layers = nn.ModuleList(WindowAttention(dim, index) for index in range(depth))
        for layer in self.layers:
            layer.compile(backend="eager")

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


def build_model():
    return Backbone().eval()


def example_inputs():
    return (torch.randn(1, 4, 8),)
