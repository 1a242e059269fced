"""Attention block with normalised queries, and keys straight from nn.Linear.

Truth: from torch 2.13 on Inductor's CPU template reads the size of the key's storage, which has two dimensions
there, and raises; eager works. Before it is fused.
"""
# summary graph_breaks=0 recompiles=0 frames_skipped=0
# summary graphs=1 verdict=healthy exit=0 [<2.13]
# summary verdict=unhealthy exit=1 [>=2.13]
# backend inductor
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

torch.set_num_threads(1)  # torch 2.8.0 cannot build this kernel for two threads


def window(b, h, q_idx, kv_idx):
    return (q_idx - kv_idx).abs() <= 64


class SelfAttention(nn.Module):
    def __init__(self, dim=64, heads=2, tokens=512):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(dim, dim) for _ in range(4))
        self.query_norm = nn.LayerNorm(dim // heads)
        self.block_mask = create_block_mask(window, None, None, tokens, tokens, device="cpu")

    def forward(self, x):
        q, k, v = (p(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in (self.query, self.key, self.value))
        q = self.query_norm(q)
        y = flex_attention(q, k, v, block_mask=self.block_mask)  # expect CD106 linear-key [>=2.13]; attention fused [<2.13]; attention unverified [>=2.13]
        return self.out(y.transpose(1, 2).flatten(2))


def build_model():
    return SelfAttention().eval()


def example_inputs():
    return (torch.randn(1, 512, 64),)
