"""An additive bias of queries by keys that the caller keeps, as attn_mask: random, so that a wrong bias would change the outputs.

Truth: flash takes it; the call itself allocates no scores.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(1)


class Attention(nn.Module):
    def forward(self, q, k, v, bias):
        return F.scaled_dot_product_attention(q * 2, k, v, attn_mask=bias)  # attention fused


def build_model():
    return Attention()


def example_inputs():
    return *(torch.randn(1, 8, 1024, 32) for _ in range(3)), torch.randn(1024, 1024)
