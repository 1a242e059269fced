"""Two sequences for each of two beams, and the mask was made for the two.

Truth: the kernel takes the mask's rows in turn, 0, 0, 1, 1, and each row skips the blocks that its own length does not reach: rows 1
and 2 of the batch see too few keys. mask_mod gets the query's batch, 0 to 3, so eager mode is right.
"""
# recorded [>=2.8]
# summary verdict=unhealthy exit=1
# backend inductor
# says CD310: batch 2 and 1 head, the query has batch 4
# says CD310: compiled and eager differ by up to
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention
torch.set_num_threads(1)
LENGTHS = torch.tensor([100, 500, 300, 400])


def filled(b, h, q_idx, kv_idx):
    return kv_idx < LENGTHS[b]


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.mask = create_block_mask(filled, 2, None, 512, 512, device="cpu")

    def forward(self, q, k, v):
        return flex_attention(q * 2, k * 2, v, block_mask=self.mask)  # expect CD310 block-mask; attention fused


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(4, 2, 512, 32) for _ in range(3))
