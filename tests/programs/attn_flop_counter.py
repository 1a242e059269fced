"""Benchmark wrapper that counts the floating point operations of each forward pass of an attention layer.

Truth: FlopCounterMode is a dispatch mode, and flex_attention does not work under it: NotImplementedError or
another error, by version, compiled or not.
"""
# summary verdict=unhealthy exit=1
# option --as-is
# backend inductor
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention
from torch.utils.flop_counter import FlopCounterMode

flex = torch.compile(flex_attention)


def causal(b, h, q_idx, kv_idx):
    return q_idx >= kv_idx


class CausalAttention(nn.Module):
    def __init__(self, tokens=512):
        super().__init__()
        self.block_mask = create_block_mask(causal, None, None, tokens, tokens, device="cpu")

    def forward(self, q, k, v):
        return flex(q, k, v, block_mask=self.block_mask)  # expect CD306 flop-counter; expect CD301 flop-counter [>=2.15]; attention dense [>=2.15]


class Measured(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model
        self.flops = []

    def forward(self, q, k, v):
        with FlopCounterMode(display=False) as counter:
            y = self.model(q, k, v)
        self.flops.append(counter.get_total_flops())
        return y


def build_model():
    return Measured(CausalAttention().eval())


def example_inputs():
    return tuple(torch.randn(1, 2, 512, 64) for _ in range(3))
