"""flex_attention with only a score_mod, on a CPU.

Truth: the kernel is fused, but takes a buffer of queries by keys for all pairs, as large as the scores of one head.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
from torch import nn
from torch.nn.attention.flex_attention import flex_attention

torch.set_num_threads(1)


def near(score, b, h, q_idx, kv_idx):
    return score - (q_idx - kv_idx).abs()


class Attention(nn.Module):
    def forward(self, q, k, v):
        return flex_attention(q * 2, k * 2, v, score_mod=near)  # attention unverified


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 1024, 32) for _ in range(3))
