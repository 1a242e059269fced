"""Two transformer layers of one class: both reach flex_attention through the same line.

Truth: both calls are in the one graph, each with its own fused kernel; one call site.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 frames_skipped=0 verdict=healthy exit=0
# backend inductor
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

torch.set_num_threads(1)  # torch 2.8.0 cannot build this kernel for two threads


def causal(b, h, q_idx, kv_idx):
    return q_idx >= kv_idx


class Layer(nn.Module):
    def __init__(self, dim, heads=2):
        super().__init__()
        self.heads = heads
        self.norm, self.out = nn.LayerNorm(dim), nn.Linear(dim, dim)
        self.query, self.key, self.value = (nn.Linear(dim, dim) for _ in range(3))
        self.query_norm, self.key_norm = nn.LayerNorm(dim // heads), nn.LayerNorm(dim // heads)

    def forward(self, x, block_mask):
        h = self.norm(x)
        q, k, v = (p(h).unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in (self.query, self.key, self.value))
        y = flex_attention(self.query_norm(q), self.key_norm(k), v, block_mask=block_mask)  # attention fused
        return x + self.out(y.transpose(1, 2).flatten(2))


class Encoder(nn.Module):
    def __init__(self, dim=64, depth=2, tokens=512):
        super().__init__()
        self.layers = nn.ModuleList(Layer(dim) for _ in range(depth))
        self.block_mask = create_block_mask(causal, None, None, tokens, tokens, device="cpu")

    def forward(self, x):
        for layer in self.layers:
            x = layer(x, self.block_mask)
        return x


def build_model():
    return Encoder().eval()


def example_inputs():
    return (torch.randn(1, 512, 64),)
