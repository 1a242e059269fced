"""Attention through SDPA, with a fused kernel, compiled by Inductor."""

import torch
import torch.nn.functional as F
from torch import nn

WIDTH, HEADS = 64, 2


class SelfAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        parts = self.qkv(x).chunk(3, dim=-1)
        q, k, v = (part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in parts)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(mixed.transpose(1, 2).flatten(2))


def build_model():
    return SelfAttention().eval()


def example_inputs():
    return (torch.randn(1, 512, WIDTH),)
