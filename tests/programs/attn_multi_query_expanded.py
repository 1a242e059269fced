"""Multi-query attention: one head of keys and values, expanded to all query heads without a copy.

Truth: SDPA's flash kernel, causal.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn
torch.set_num_threads(1)

class Attention(nn.Module):
    def __init__(self, dim=128, heads=4):
        super().__init__()
        self.heads, self.width = heads, dim // heads
        self.q, self.kv = nn.Linear(dim, dim), nn.Linear(dim, 2 * self.width)

    def forward(self, x):
        batch, tokens, _ = x.shape
        q = self.q(x).view(batch, tokens, self.heads, self.width).transpose(1, 2)
        k, v = self.kv(x).unsqueeze(1).expand(-1, self.heads, -1, -1).chunk(2, dim=-1)
        return F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)  # attention fused


def build_model():
    return Attention()


def example_inputs():
    return (torch.randn(1, 1024, 128),)
