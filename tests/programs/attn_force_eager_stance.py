"""Evaluation helper that switches compilation off around the attention of a block, left over from a bug hunt.

Truth: under the stance "force_eager" a compiled flex_attention is the eager one, with its score matrix.
"""
# summary graph_breaks=0 verdict=unhealthy exit=1
# option --as-is
# backend inductor
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

flex = torch.compile(flex_attention)


def causal(b, h, q_idx, kv_idx):
    return q_idx >= kv_idx


class Block(nn.Module):
    def __init__(self, dim=64, heads=2, tokens=512):
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = torch.compile(nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, dim), nn.GELU()))
        self.block_mask = create_block_mask(causal, None, None, tokens, tokens, device="cpu")

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        with torch.compiler.set_stance("force_eager"):
            y = flex(q, k, v, block_mask=self.block_mask)  # expect CD301 stance; attention dense
        x = x + self.out(y.transpose(1, 2).flatten(2))
        return x + self.mlp(x)


def build_model():
    return Block().eval()


def example_inputs():
    return (torch.randn(1, 512, 64),)
