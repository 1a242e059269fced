"""Attention whose is_causal is a comparison of two lengths, called with several lengths.

Truth: from the second length on the sizes are dynamic and the comparison is symbolic, which the operator refuses:
"argument 'is_causal' must be bool, not SymBool". Eager takes it.
"""
# summary graph_breaks=1 verdict=unhealthy exit=1
# says CD101: argument 'is_causal' must be bool, not SymBool
# says CD101: causal = True if q.shape[2] == k.shape[2] and q.shape[2] > 1 else False
# never CD101: force_eager
import torch
import torch.nn.functional as F
from torch import nn


class CrossAttention(nn.Module):
    def forward(self, q, k):  # expect CD201 lengths
        causal = q.shape[2] == k.shape[2] and q.shape[2] > 1
        return F.scaled_dot_product_attention(q, k, k, is_causal=causal)  # expect CD101 symbolic-argument; attention unverified


def build_model():
    return CrossAttention()


def example_input_sets():
    return [(torch.randn(1, 2, n, 8), torch.randn(1, 2, n + 3, 8)) for n in (4, 5, 6)]
