"""Fused attention, in a file with a debugging helper that nothing calls.

Truth: `with torch.compiler.disable():` would raise if the helper ran. It does not run: a warning that decides nothing.
"""
# summary graph_breaks=0 verdict=healthy exit=0
# backend inductor
# says CD303: This run did not reach the line
# never CD303: compiled_flex
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention.flex_attention import flex_attention


class Attention(nn.Module):
    def forward(self, q, k, v):
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)  # attention fused


def debug_only(q, k, v):
    with torch.compiler.disable():  # expect CD303 unreached
        return flex_attention(q, k, v)


def build_model():
    return Attention()


def example_inputs(tokens=1024):
    return tuple(torch.randn(1, 2, tokens, 64) for _ in range(3))
