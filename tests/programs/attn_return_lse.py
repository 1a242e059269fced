"""Attention with a learned sink: the log-sum-exp of flex_attention scales its output.

Truth: Inductor's CPU template cannot return the log-sum-exp: compilation fails on CPU, eager works.
"""
# summary verdict=unhealthy exit=1
# backend inductor
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention


def window(b, h, q_idx, kv_idx):
    return (q_idx >= kv_idx) & (q_idx - kv_idx < 128)


class SinkAttention(nn.Module):
    def __init__(self, heads=2, tokens=512):
        super().__init__()
        self.sink = nn.Parameter(torch.zeros(heads, 1))
        self.block_mask = create_block_mask(window, None, None, tokens, tokens, device="cpu")

    def forward(self, q, k, v):
        y, lse = flex_attention(q, k, v, block_mask=self.block_mask, return_lse=True)  # expect CD106 return-lse; expect CD101 warns-of-return-lse [>=2.9,<2.11]; attention unverified
        return y * torch.sigmoid(lse - self.sink)[..., None]


def build_model():
    return SinkAttention().eval()


def example_inputs():
    return tuple(torch.randn(1, 2, 512, 64) for _ in range(3))
