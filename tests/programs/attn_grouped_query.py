"""Decoder attention with four query heads over two key and value heads (grouped query attention).

Truth: enable_gqa is part of the template: one graph, fused.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 frames_skipped=0 verdict=healthy exit=0
# backend inductor
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

torch.set_num_threads(1)  # torch 2.8.0 cannot build this kernel for two threads


def causal(b, h, q_idx, kv_idx):
    return q_idx >= kv_idx


class GroupedQueryAttention(nn.Module):
    def __init__(self, dim=128, heads=4, groups=2, tokens=512):
        super().__init__()
        self.width = dim // heads
        self.query, self.key = nn.Linear(dim, dim, bias=False), nn.Linear(dim, groups * self.width, bias=False)
        self.value, self.out = nn.Linear(dim, groups * self.width, bias=False), nn.Linear(dim, dim, bias=False)
        self.query_norm, self.key_norm = nn.RMSNorm(self.width), nn.RMSNorm(self.width)
        self.block_mask = create_block_mask(causal, None, None, tokens, tokens, device="cpu")

    def split(self, x):
        return x.unflatten(-1, (-1, self.width)).transpose(1, 2)

    def forward(self, x):
        q, k = self.query_norm(self.split(self.query(x))), self.key_norm(self.split(self.key(x)))
        v = self.split(self.value(x))
        y = flex_attention(q, k, v, block_mask=self.block_mask, enable_gqa=True)  # attention fused
        return self.out(y.transpose(1, 2).flatten(2))


def build_model():
    return GroupedQueryAttention().eval()


def example_inputs():
    return (torch.randn(1, 512, 128),)
