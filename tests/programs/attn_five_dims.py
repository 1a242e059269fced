"""SDPA on (batch, frames, heads, tokens, width): five dimensions.

Truth: flash needs four, so torch takes math.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 exit=1
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(1)


class Attention(nn.Module):
    def forward(self, q, k, v):
        return F.scaled_dot_product_attention(q * 2, k, v)  # expect CD503 five-dimensions; attention dense


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 2, 512, 32) for _ in range(3))
