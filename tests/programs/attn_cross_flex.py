"""Cross-attention by flex: 256 queries, 2,048 keys, padding at the end of the keys.

Truth: one kernel.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

torch.set_num_threads(1)


def filled(b, h, q_idx, kv_idx):
    return kv_idx < 1800


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.mask = create_block_mask(filled, None, None, 256, 2048, device="cpu")

    def forward(self, q, k, v):
        return flex_attention(q * 2, k * 2, v, block_mask=self.mask)  # attention fused


def build_model():
    return Attention()


def example_inputs():
    return torch.randn(1, 4, 256, 32), torch.randn(1, 4, 2048, 32), torch.randn(1, 4, 2048, 32)
