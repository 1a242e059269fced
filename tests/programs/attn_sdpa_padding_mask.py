"""Encoder layer with scaled_dot_product_attention and a boolean padding mask.

Truth: the CPU flash kernel takes a mask: one graph, fused.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 frames_skipped=0 verdict=healthy exit=0
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn


class EncoderLayer(nn.Module):
    def __init__(self, dim=64, heads=2):
        super().__init__()
        self.heads = heads
        self.norm, self.qkv, self.out = nn.LayerNorm(dim), nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, visible):
        q, k, v = self.qkv(self.norm(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=visible[:, None, None])  # attention fused
        return x + self.out(y.transpose(1, 2).flatten(2))


def build_model():
    return EncoderLayer().eval()


def example_inputs():
    return torch.randn(1, 512, 64), torch.arange(512)[None] < 400
