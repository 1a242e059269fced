"""Perceiver encoder: 128 latents attend to 1024 inputs, then the result is read out.

Truth: query and key lengths may differ: one graph, fused.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 frames_skipped=0 verdict=healthy exit=0
# backend inductor
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

torch.set_num_threads(1)  # torch 2.8.0 cannot build this kernel for two threads


def strided(b, h, q_idx, kv_idx):
    return (q_idx * 4 - kv_idx).abs() <= 128


class PerceiverEncoder(nn.Module):
    def __init__(self, dim=64, heads=2, latents=128, tokens=1024):
        super().__init__()
        self.heads = heads
        self.latents = nn.Parameter(torch.randn(1, latents, dim) * 0.02)
        self.query, self.key, self.value, self.out = (nn.Linear(dim, dim) for _ in range(4))
        self.query_norm, self.key_norm = nn.LayerNorm(dim // heads), nn.LayerNorm(dim // heads)
        self.block_mask = create_block_mask(strided, None, None, latents, tokens, device="cpu")

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, x):
        q, k = self.query_norm(self.split(self.query(self.latents))), self.key_norm(self.split(self.key(x)))
        y = flex_attention(q, k, self.split(self.value(x)), block_mask=self.block_mask)  # attention unverified
        return self.latents + self.out(y.transpose(1, 2).flatten(2))


def build_model():
    return PerceiverEncoder().eval()


def example_inputs():
    return (torch.randn(1, 1024, 64),)
