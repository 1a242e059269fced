"""Vision transformer block with a sliding window, written with plain flex_attention.

Truth: the outer torch.compile traces flex_attention and Inductor generates its template: one graph, fused.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 frames_skipped=0 verdict=healthy exit=0
# backend inductor
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

torch.set_num_threads(1)  # torch 2.8.0 cannot build this kernel for two threads


def window(b, h, q_idx, kv_idx):
    return (q_idx - kv_idx).abs() <= 32


class WindowBlock(nn.Module):
    def __init__(self, tokens=512, dim=64, heads=2):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.q, self.k, self.v, self.out = (nn.Linear(dim, dim) for _ in range(4))
        self.q_norm, self.k_norm = nn.LayerNorm(dim // heads), nn.LayerNorm(dim // heads)
        self.block_mask = create_block_mask(window, None, None, tokens, tokens, device="cpu")

    def forward(self, x):
        h = self.norm(x)
        q, k, v = (project(h).unflatten(-1, (self.heads, -1)).transpose(1, 2) for project in (self.q, self.k, self.v))
        y = flex_attention(self.q_norm(q), self.k_norm(k), v, block_mask=self.block_mask)  # attention fused
        return x + self.out(y.transpose(1, 2).flatten(2))


def build_model():
    return WindowBlock().eval()


def example_inputs():
    return (torch.randn(1, 512, 64),)
