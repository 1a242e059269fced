"""A window of 9 by 9 over a grid of 32 by 32 tokens, and a causal order, combined by and_masks.

Truth: one kernel, with a BlockMask.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
from torch import nn
from torch.nn.attention.flex_attention import and_masks, create_block_mask, flex_attention

torch.set_num_threads(1)


def near(b, h, q_idx, kv_idx):
    return ((q_idx // 32 - kv_idx // 32).abs() <= 4) & ((q_idx % 32 - kv_idx % 32).abs() <= 4)


def causal(b, h, q_idx, kv_idx):
    return q_idx >= kv_idx


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.mask = create_block_mask(and_masks(near, causal), None, None, 1024, 1024, device="cpu")

    def forward(self, q, k, v):
        return flex_attention(q * 2, k * 2, v, block_mask=self.mask)  # attention fused


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 1024, 32) for _ in range(3))
