"""Encoder that wraps its attention helper with torch.compiler.disable(helper, recursive=False) in __init__.

Truth: the helper is left out of the graph, the compiled flex_attention which it calls is not: fused, one
deliberate break.
"""
# summary graph_breaks=1 recompiles=0 frames_skipped=0 verdict=healthy exit=0
# backend inductor
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

torch.set_num_threads(1)  # torch 2.8.0 cannot build this kernel for two threads
compiled_flex = torch.compile(flex_attention)


def attend(q, k, v, block_mask):
    return compiled_flex(q.contiguous(), k.contiguous(), v.contiguous(), block_mask=block_mask)  # attention fused


def chunked(b, h, q_idx, kv_idx):
    return q_idx // 128 == kv_idx // 128


class ChunkedEncoder(nn.Module):
    def __init__(self, dim=64, heads=2, tokens=512):
        super().__init__()
        self.heads = heads
        self.norm, self.qkv, self.out = nn.LayerNorm(dim), nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.attend = torch.compiler.disable(attend, recursive=False)
        self.block_mask = create_block_mask(chunked, None, None, tokens, tokens, device="cpu")

    def forward(self, x):
        q, k, v = self.qkv(self.norm(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        y = self.attend(q, k, v, self.block_mask)  # expect CD101 deliberate
        return x + self.out(y.transpose(1, 2).flatten(2))


def build_model():
    return ChunkedEncoder().eval()


def example_inputs():
    return (torch.randn(1, 512, 64),)
