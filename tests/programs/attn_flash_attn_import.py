"""Attention that prefers the flash_attn package and falls back to scaled_dot_product_attention without it.

Truth: the call is one the program does not need (CD504, information); what runs here is SDPA's CPU flash kernel.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 frames_skipped=0 verdict=healthy exit=0
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn

try:
    from flash_attn import flash_attn_func
except ImportError:
    flash_attn_func = None


class Attention(nn.Module):
    def __init__(self, dim=64, heads=2):
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).unbind(2)
        if flash_attn_func is not None and q.is_cuda:
            y = flash_attn_func(q, k, v, causal=True)  # expect CD504 call
        else:
            q, k, v = (part.transpose(1, 2) for part in (q, k, v))
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2)  # attention fused
        return self.out(y.flatten(2))


def build_model():
    return Attention().eval()


def example_inputs():
    return (torch.randn(1, 512, 64),)
