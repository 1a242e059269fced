"""Grouped queries, and the causal mask was made for the heads of keys and values.

Truth: eight query heads, a mask for two whose blocks are the same: whichever of them a head takes, the result is right.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention
torch.set_num_threads(1)


def causal(b, h, q_idx, kv_idx):
    return q_idx >= kv_idx


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.mask = create_block_mask(causal, None, 2, 512, 512, device="cpu")

    def forward(self, q, k, v):
        return flex_attention(q * 2, k * 2, v, block_mask=self.mask, enable_gqa=True)  # attention fused


def build_model():
    return Attention()


def example_inputs():
    return torch.randn(1, 8, 512, 32), torch.randn(1, 2, 512, 32), torch.randn(1, 2, 512, 32)
