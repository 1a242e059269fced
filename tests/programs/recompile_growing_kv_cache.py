"""Decoder step that concatenates to its KV cache, with dynamic shapes switched off.

Truth: the cache's length is one larger on each call, and static: every step compiles again.
"""
# summary graph_breaks=0 recompiles=4 graphs=5 frames_skipped=0 exit=0
# option --no-dynamic
import torch
import torch.nn.functional as F
from torch import nn


class DecodeStep(nn.Module):
    def __init__(self, dim=16, heads=2):
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, token, keys, values):  # expect CD205 growing-cache
        q, k, v = self.qkv(token).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        keys, values = torch.cat([keys, k], dim=2), torch.cat([values, v], dim=2)
        y = F.scaled_dot_product_attention(q, keys, values)
        return self.out(y.transpose(1, 2).flatten(2)), keys, values


def build_model():
    return DecodeStep().eval()


def example_input_sets():
    return [
        (torch.randn(1, 1, 16), torch.randn(1, 2, length, 8), torch.randn(1, 2, length, 8)) for length in range(3, 8)
    ]
