"""varlen_attn with fewer heads of key and value than of query, without enable_gqa.

Truth: eager mode raises ValueError, too; torch says how to ask for grouped queries.
"""
# recorded [>=2.13]
# summary exit=3
# says CD002: Pass enable_gqa=True, with which 4 query heads share the 2 of key and value
import torch
from torch import nn
from torch.nn.attention.varlen import varlen_attn


class Attention(nn.Module):
    def __init__(self, dim=64, heads=4, kept=2):
        super().__init__()
        self.heads, self.kept = heads, kept
        self.q, self.kv = nn.Linear(dim, dim), nn.Linear(dim, 2 * kept * dim // heads)

    def forward(self, x, starts):
        q = self.q(x).unflatten(-1, (self.heads, -1))
        k, v = self.kv(x).unflatten(-1, (2, self.kept, -1)).unbind(1)
        return varlen_attn(q, k, v, starts, starts, 60, 60).flatten(1)  # expect CD002 heads


def build_model():
    return Attention().to(torch.bfloat16)


def example_inputs():
    return torch.randn(100, 64, dtype=torch.bfloat16), torch.tensor([0, 40, 100], dtype=torch.int32)
