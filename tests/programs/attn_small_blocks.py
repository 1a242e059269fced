"""A BlockMask with blocks of 64, made from lists of key blocks.

Truth: one kernel; the mask holds block numbers only.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
from torch import nn
from torch.nn.attention.flex_attention import BlockMask, flex_attention

torch.set_num_threads(1)


def window(b, h, q_idx, kv_idx):
    return (q_idx - kv_idx).abs() < 64


def banded(blocks):
    rows = torch.arange(blocks)[:, None]
    indices = (rows + torch.tensor([0, -1, 1])).clamp(0, blocks - 1)
    counts = torch.full((1, 1, blocks), 3, dtype=torch.int32)
    counts[..., 0] = counts[..., -1] = 2
    indices[0] = torch.tensor([0, 1, 0])
    padded = torch.zeros(1, 1, blocks, blocks, dtype=torch.int32)
    padded[..., :3] = indices
    return BlockMask.from_kv_blocks(counts, padded, BLOCK_SIZE=64, mask_mod=window)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.mask = banded(16)

    def forward(self, q, k, v):
        return flex_attention(q * 2, k * 2, v, block_mask=self.mask)  # attention fused


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 1024, 32) for _ in range(3))
