"""SDPA at two lengths, compiled with dynamic shapes.

Truth: one graph for both, flash.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
# option --dynamic
import torch
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(1)


class Attention(nn.Module):
    def forward(self, q, k, v):
        return F.scaled_dot_product_attention(q * 2, k, v, is_causal=True)  # attention fused


def build_model():
    return Attention()


def example_input_sets():
    return [tuple(torch.randn(1, 2, n, 32) for _ in range(3)) for n in (1024, 768)]
