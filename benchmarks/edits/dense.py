"""flex_attention under a backend that does not lower it: dense, and its baseline says so."""

import torch
from torch import nn
from torch.nn.attention.flex_attention import flex_attention

HEADS, DIM, TOKENS = 2, 32, 512


class Attention(nn.Module):
    def attend(self, q, k, v):
        return flex_attention(q, k, v)

    def forward(self, q, k, v):
        first = self.attend(q, k, v)
        second = flex_attention(first, k, v, scale=0.5)
        return second.flatten(2)


def build_model():
    return Attention().eval()


def example_inputs():
    return tuple(torch.randn(1, HEADS, TOKENS, DIM) for _ in range(3))
