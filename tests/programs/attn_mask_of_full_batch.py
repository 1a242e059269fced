"""The mask of packed sequences was made for the full batch of four; the last batch of the epoch has two.

Truth: torch compares only the lengths. The generated kernel divides the query's batch by the mask's, 2 / 4 = 0, and then divides
by that: SIGFPE. In eager mode mask_mod itself is evaluated, and the result is right.
"""
# recorded [>=2.8]
# summary verdict=unhealthy exit=1
# backend inductor
# says CD107: for batch 4 and 1 head, the query has batch 2
# says CD107: create_block_mask(mask_mod, B=q.shape[0]
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention
torch.set_num_threads(1)
LENGTHS = torch.tensor([100, 200, 300, 400])


def filled(b, h, q_idx, kv_idx):
    return kv_idx < LENGTHS[b]


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.mask = create_block_mask(filled, 4, None, 512, 512, device="cpu")

    def forward(self, q, k, v):
        return flex_attention(q * 2, k * 2, v, block_mask=self.mask)  # expect CD107 block-mask; attention unverified


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(2, 2, 512, 32) for _ in range(3))
