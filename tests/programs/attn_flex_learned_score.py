"""A score_mod that reads a learned bias by head and distance, without gradients.

Truth: one kernel, which gets the parameter as a further input.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

torch.set_num_threads(1)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.bias = nn.Parameter(torch.randn(2, 2047))
        self.mask = create_block_mask(lambda b, h, q_idx, kv_idx: q_idx >= kv_idx, None, None, 1024, 1024, device="cpu")

    def forward(self, q, k, v):
        def biased(score, b, h, q_idx, kv_idx):
            return score + self.bias[h, q_idx - kv_idx + 1023]

        return flex_attention(q * 2, k * 2, v, score_mod=biased, block_mask=self.mask)  # attention fused


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 1024, 32) for _ in range(3))
