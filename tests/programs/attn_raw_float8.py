"""Attention over q, k and v stored as raw float8_e4m3fn, as a quantized cache keeps them.

Truth: the CPU has no kernel for that dtype: eager fails in the matrix product, Inductor when it lowers
flex_attention. Builds for CUDA ask for a GPU first and fail at that ("Found no NVIDIA driver"), before there is a graph.
"""
# summary verdict=unhealthy exit=1
# backend inductor
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention


def causal(b, h, q_idx, kv_idx):
    return q_idx >= kv_idx


class Float8Attention(nn.Module):
    def __init__(self, tokens=512):
        super().__init__()
        self.block_mask = create_block_mask(causal, None, None, tokens, tokens, device="cpu")

    def forward(self, q, k, v):
        q, k, v = (x.to(torch.float8_e4m3fn) for x in (q, k, v))
        y = flex_attention(q, k, v, block_mask=self.block_mask)  # expect CD402 raw-float8; attention unverified [==2.13.*]
        return y.transpose(1, 2).flatten(2).float()


def build_model():
    return Float8Attention().eval()


def example_inputs():
    return tuple(torch.randn(1, 2, 512, 64) for _ in range(3))
