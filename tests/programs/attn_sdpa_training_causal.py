"""A training step through SDPA with is_causal.

Truth: flash forward and backward; no scores.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
# option --grad
import torch
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(1)


class Attention(nn.Module):
    def __init__(self, dim=64, heads=2):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(dim, dim) for _ in range(3))

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2).contiguous()

    def forward(self, x):
        q, k, v = self.split(self.query(x)) * 1.0, self.split(self.key(x)) * 1.0, self.split(self.value(x))
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)  # attention fused


def build_model():
    return Attention()


def example_inputs():
    return (torch.randn(1, 1024, 64),)
