"""Transformer block whose author compiles it with backend="eager" to make it start quickly.

Truth: that backend runs the traced operators as they are; flex_attention among them, with its score matrix.
"""
# summary graph_breaks=0 recompiles=0 frames_skipped=0 verdict=unhealthy exit=1
# option --as-is
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention


def causal(b, h, q_idx, kv_idx):
    return q_idx >= kv_idx


class Block(nn.Module):
    def __init__(self, dim=64, heads=2, tokens=512):
        super().__init__()
        self.heads = heads
        self.norm, self.qkv, self.out = nn.LayerNorm(dim), nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.block_mask = create_block_mask(causal, None, None, tokens, tokens, device="cpu")

    def forward(self, x):
        q, k, v = self.qkv(self.norm(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        y = flex_attention(q, k, v, block_mask=self.block_mask)  # expect CD301 flex; attention dense
        return x + self.out(y.transpose(1, 2).flatten(2))


def build_model():
    return torch.compile(Block().eval(), backend="eager")  # expect CD305 eager-backend


def example_inputs():
    return (torch.randn(1, 512, 64),)
