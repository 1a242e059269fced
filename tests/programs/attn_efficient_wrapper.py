"""A stand-in for xformers' memory_efficient_attention: (batch, tokens, heads, width), a bias object that means causal.

Truth: SDPA's flash kernel with is_causal.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn
torch.set_num_threads(1)

class LowerTriangularMask:
    pass


def memory_efficient_attention(query, key, value, attn_bias=None, p=0.0, scale=None):
    query, key, value = (x.transpose(1, 2) for x in (query, key, value))
    causal = isinstance(attn_bias, LowerTriangularMask)
    mask = None if causal else attn_bias
    out = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=p, is_causal=causal, scale=scale)  # attention fused
    return out.transpose(1, 2)


class Attention(nn.Module):
    def __init__(self, dim=64, heads=2):
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).unbind(2)
        return self.proj(memory_efficient_attention(q, k, v, attn_bias=LowerTriangularMask()).flatten(2))


def build_model():
    return Attention()


def example_inputs():
    return (torch.randn(1, 1024, 64),)
