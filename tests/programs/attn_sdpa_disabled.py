"""Block whose scaled_dot_product_attention lives in a function its author disabled.

Truth: without the compiler it still dispatches to the CPU flash kernel: fused, one deliberate break.
"""
# summary graph_breaks=1 recompiles=0 frames_skipped=0 verdict=healthy exit=0
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn


@torch.compiler.disable
def attend(q, k, v):
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)  # attention fused


class Block(nn.Module):
    def __init__(self, dim=64, heads=2):
        super().__init__()
        self.heads = heads
        self.norm, self.qkv, self.out = nn.LayerNorm(dim), nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x):
        q, k, v = self.qkv(self.norm(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        y = attend(q, k, v)  # expect CD101 deliberate
        return x + self.out(y.transpose(1, 2).flatten(2))


def build_model():
    return Block().eval()


def example_inputs():
    return (torch.randn(1, 512, 64),)
