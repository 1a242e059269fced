"""Attention layer with an activation directly behind flex_attention.

Truth: Inductor's CPU template for flex_attention takes no epilogue, but the scheduler gives it one: compilation
fails on CPU, eager works. The error comes from the scheduler, which does not know the line.
"""
# summary verdict=unhealthy exit=1
# backend inductor
# labels: the graph has one attention call, whose line stands for the whole
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention


def window(b, h, q_idx, kv_idx):
    return (q_idx - kv_idx).abs() <= 64


class ActivatedAttention(nn.Module):
    def __init__(self, tokens=512):
        super().__init__()
        self.block_mask = create_block_mask(window, None, None, tokens, tokens, device="cpu")

    def forward(self, q, k, v):
        y = flex_attention(q, k, v, block_mask=self.block_mask)  # expect CD106 epilogue; attention unverified
        return F.relu(y)


def build_model():
    return ActivatedAttention().eval()


def example_inputs():
    return tuple(torch.randn(1, 2, 512, 64) for _ in range(3))
