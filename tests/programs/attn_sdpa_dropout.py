"""Encoder block that passes its dropout rate to scaled_dot_product_attention in evaluation too.

Truth: the CPU flash kernel has no dropout, so the math backend is chosen.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 frames_skipped=0 verdict=unhealthy exit=1
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn


class SelfAttention(nn.Module):
    def __init__(self, dim=64, heads=2, dropout=0.1):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=self.dropout)  # expect CD503 dropout; attention dense
        return self.out(y.transpose(1, 2).flatten(2))


def build_model():
    return SelfAttention().eval()


def example_inputs():
    return (torch.randn(1, 512, 64),)
