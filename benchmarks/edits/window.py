"""Fused attention over a sliding window: flex_attention, compiled by Inductor."""

import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

HEADS, DIM, TOKENS = 2, 32, 512


def near(batch, head, q, k):
    return (q - k).abs() <= 32


MASK = create_block_mask(near, None, None, TOKENS, TOKENS, device="cpu")


class Attention(nn.Module):
    def attend(self, q, k, v):
        return flex_attention(q, k, v, block_mask=MASK)

    def forward(self, q, k, v):
        mixed = self.attend(q, k, v)
        return mixed.transpose(1, 2).flatten(2)


def build_model():
    return Attention().eval()


def example_inputs():
    return tuple(torch.randn(1, HEADS, TOKENS, DIM) for _ in range(3))
