"""Middle block of an image decoder: single-head attention over the pixels, without a head dimension.

Truth: the CPU flash kernel wants four dimensions; with three the math backend makes the full score matrix.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 frames_skipped=0 verdict=unhealthy exit=1 [<2.14]
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn


class PixelAttention(nn.Module):
    def __init__(self, channels=32):
        super().__init__()
        self.norm = nn.GroupNorm(8, channels)
        self.query, self.key, self.value, self.out = (nn.Linear(channels, channels) for _ in range(4))

    def forward(self, x):
        pixels = self.norm(x).flatten(2).transpose(1, 2)
        q, k, v = self.query(pixels), self.key(pixels), self.value(pixels)
        y = F.scaled_dot_product_attention(q, k, v)  # expect CD503 three-dims [<2.14]; attention dense [<2.14]; attention fused [>=2.14]
        return x + self.out(y).transpose(1, 2).unflatten(2, x.shape[2:])


def build_model():
    return PixelAttention().eval()


def example_inputs():
    return (torch.randn(1, 32, 24, 24),)
