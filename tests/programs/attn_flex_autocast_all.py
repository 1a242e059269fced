"""Projections and flex_attention under autocast: query, key and value all become bfloat16.

Truth: one kernel, in bfloat16.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

torch.set_num_threads(1)


def causal(b, h, q_idx, kv_idx):
    return q_idx >= kv_idx


class Attention(nn.Module):
    def __init__(self, dim=64, heads=2):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(dim, dim) for _ in range(3))

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2).contiguous()

    def forward(self, x, mask):
        q, k, v = self.split(self.query(x)) * 1.0, self.split(self.key(x)) * 1.0, self.split(self.value(x))
        return flex_attention(q, k, v, block_mask=mask)  # attention fused


class Cast(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Attention()

    def forward(self, x, mask):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.inner(x, mask)


def build_model():
    return Cast()


def example_inputs():
    return torch.randn(1, 1024, 64), create_block_mask(causal, None, None, 1024, 1024, device="cpu")
