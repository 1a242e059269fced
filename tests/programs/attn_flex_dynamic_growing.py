"""flex_attention with only a score_mod at 256, then at 2,048 tokens: the second length makes the sizes dynamic.

Truth: the kernel takes a buffer of all pairs, of 17 MB at 2,048 tokens; a measurement at 256 tokens says nothing about that.
"""
# recorded [>=2.8]
# summary graph_breaks=0
# backend inductor
import torch
from torch import nn
from torch.nn.attention.flex_attention import flex_attention

torch.set_num_threads(1)


def near(score, b, h, q_idx, kv_idx):
    return score - (q_idx - kv_idx).abs()


class Attention(nn.Module):
    def forward(self, q, k, v):  # expect CD201 second-length
        return flex_attention(q * 2, k * 2, v, score_mod=near)  # attention unverified


def build_model():
    return Attention()


def example_input_sets():
    return [tuple(torch.randn(1, 2, n, 32) for _ in range(3)) for n in (256, 2048)]
