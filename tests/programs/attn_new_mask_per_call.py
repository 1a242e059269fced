"""Attention whose mask pattern comes as a string: each call site builds a mask_mod of its own for it.

Truth: the closure over the pattern is guarded by value, so each new pattern compiles the frame again until
recompile_limit (here 2) is hit; from then on new patterns run the eager flex_attention.
"""
# summary graph_breaks=0 verdict=unhealthy exit=1
# backend inductor
import torch
import torch._dynamo
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

torch.set_num_threads(1)  # torch 2.8.0 cannot build this kernel for two threads
torch._dynamo.config.recompile_limit = 2


def masked(pattern):
    def mask_mod(b, h, q_idx, kv_idx):
        if pattern == "causal":
            return q_idx >= kv_idx
        if pattern == "window":
            return (q_idx - kv_idx).abs() <= 32
        if pattern == "chunk":
            return q_idx // 64 == kv_idx // 64
        return (q_idx - kv_idx) % 4 == 0

    return create_block_mask(mask_mod, None, None, 512, 512, device="cpu")


class PatternAttention(nn.Module):
    def __init__(self, temperature=1.5):
        super().__init__()
        self.temperature = temperature

    def forward(self, q, k, v, block_mask):  # expect CD202 recompile-limit
        q = q / self.temperature
        return flex_attention(q, k, v, block_mask=block_mask)  # expect CD204 closure; expect CD301 limit; attention mixed


def build_model():
    return PatternAttention().eval()


def example_input_sets():
    q, k, v = (torch.randn(1, 2, 512, 64) for _ in range(3))
    return [(q, k, v, masked(pattern)) for pattern in ("causal", "window", "chunk", "stride")]
