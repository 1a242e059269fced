"""Decoder layer that tries to shield its attention with a `with torch.compiler.disable():` block.

Truth: torch.compiler.disable is no context manager: entering the block raises a RuntimeError, in eager as well
as under torch.compile. The attention below it never runs.
"""
# summary verdict=unhealthy exit=1
# backend inductor
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

flex = torch.compile(flex_attention)


def causal(b, h, q_idx, kv_idx):
    return q_idx >= kv_idx


class ShieldedAttention(nn.Module):
    def __init__(self, dim=64, heads=2, tokens=512):
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.block_mask = create_block_mask(causal, None, None, tokens, tokens, device="cpu")

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        with torch.compiler.disable():  # expect CD303 not-a-context-manager
            y = flex(q, k, v, block_mask=self.block_mask)
        return self.out(y.transpose(1, 2).flatten(2))


def build_model():
    return ShieldedAttention().eval()


def example_inputs():
    return (torch.randn(1, 512, 64),)
