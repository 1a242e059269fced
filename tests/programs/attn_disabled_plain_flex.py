"""Block that keeps a flex_attention out of the graph which nobody has compiled.

Truth: an uncompiled flex_attention is the eager one, with the full score matrix, disabled or not.
"""
# summary graph_breaks=1 frames_skipped=0 verdict=unhealthy exit=1
# backend inductor
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

attention = torch.compiler.disable(flex_attention)


def window(b, h, q_idx, kv_idx):
    return (q_idx - kv_idx).abs() <= 32


class Block(nn.Module):
    def __init__(self, dim=64, heads=2, tokens=512):
        super().__init__()
        self.heads = heads
        self.norm, self.qkv, self.out = nn.LayerNorm(dim), nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.block_mask = create_block_mask(window, None, None, tokens, tokens, device="cpu")

    def forward(self, x):
        q, k, v = self.qkv(self.norm(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        y = attention(q, k, v, block_mask=self.block_mask)  # expect CD101 deliberate; expect CD301 flex; attention dense
        return x + self.out(y.transpose(1, 2).flatten(2))


def build_model():
    return Block().eval()


def example_inputs():
    return (torch.randn(1, 512, 64),)
