"""Packed sequences by varlen_attn, run on a CPU.

Truth: its operator exists for CUDA only; eager mode raises NotImplementedError, too. Before torch 2.10 there is no such module.
"""
# recorded [>=2.13]
# summary exit=3
# backend inductor
# expect CD002 no-kernel
# says CD002: varlen_attn has kernels for a GPU only
# says CD002: flex_attention with a BlockMask
import torch
from torch import nn
from torch.nn.attention.varlen import varlen_attn


class Attention(nn.Module):
    def __init__(self, dim=64, heads=2):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)

    def forward(self, x, starts):
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).unbind(1)
        return varlen_attn(q, k, v, starts, starts, 60, 60).flatten(1)  # attention unverified


def build_model():
    return Attention().to(torch.bfloat16)


def example_inputs():
    return torch.randn(100, 64, dtype=torch.bfloat16), torch.tensor([0, 40, 100], dtype=torch.int32)
