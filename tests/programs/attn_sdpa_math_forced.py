"""Attention pinned to the math backend with sdpa_kernel, kept from an experiment on reproducibility.

Truth: the block allows one backend only, the one that makes the full score matrix.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 frames_skipped=0 verdict=unhealthy exit=1
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel


class ReproducibleAttention(nn.Module):
    def __init__(self, dim=64, heads=2):
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        with sdpa_kernel(SDPBackend.MATH):
            y = F.scaled_dot_product_attention(q, k, v)  # expect CD503 math-pinned; attention dense
        return self.out(y.transpose(1, 2).flatten(2))


def build_model():
    return ReproducibleAttention().eval()


def example_inputs():
    return (torch.randn(1, 512, 64),)
