"""flex_attention that is dense because of torch.compiler.disable; its baseline says so."""

import torch
from torch import nn
from torch.nn.attention.flex_attention import flex_attention

HEADS, DIM, TOKENS = 2, 32, 512
isolated = torch.compiler.disable(torch.compile(flex_attention))


class Attention(nn.Module):
    def attend(self, q, k, v):
        return isolated(q, k, v)

    def forward(self, q, k, v):
        first = self.attend(q, k, v)
        second = isolated(first * 2.0, k, v)
        return second.flatten(2)


def build_model():
    return Attention().eval()


def example_inputs():
    return tuple(torch.randn(1, HEADS, TOKENS, DIM) for _ in range(3))
