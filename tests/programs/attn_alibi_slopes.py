"""Attention with linear biases: one slope for each head, read from a buffer by the score_mod.

Truth: a captured buffer is an input of the kernel: one graph, fused.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 frames_skipped=0 verdict=healthy exit=0
# backend inductor
import torch
from torch import nn
from torch.nn.attention.flex_attention import flex_attention

torch.set_num_threads(1)  # torch 2.8.0 cannot build this kernel for two threads


class AlibiAttention(nn.Module):
    def __init__(self, heads=2):
        super().__init__()
        self.register_buffer("slopes", 2.0 ** -torch.arange(1.0, heads + 1))

    def forward(self, q, k, v):
        def alibi(score, b, h, q_idx, kv_idx):
            return score - self.slopes[h] * (q_idx - kv_idx).abs()

        return flex_attention(q * 0.125, k, v, score_mod=alibi, scale=1.0)  # attention unverified


def build_model():
    return AlibiAttention().eval()


def example_inputs():
    return tuple(torch.randn(1, 2, 1024, 64) for _ in range(3))
