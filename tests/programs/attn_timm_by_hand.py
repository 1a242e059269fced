"""A vision transformer's attention with the fused path switched off (timm's fused_attn=False) and a dropout in training.

Truth: softmax between two products, which no pattern takes because of the head's scale parameter.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(1)


class Attention(nn.Module):
    def __init__(self, dim=64, heads=2):
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.scale = nn.Parameter(torch.ones(heads, 1, 1))

    def forward(self, x):
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        attn = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1) * self.scale
        attn = attn.softmax(dim=-1)  # expect CD505 by-hand
        return self.proj((attn @ v).transpose(1, 2).reshape(b, n, c))


def build_model():
    return Attention()


def example_inputs():
    return (torch.randn(1, 1025, 64),)
