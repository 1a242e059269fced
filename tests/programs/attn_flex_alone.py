"""Regional compilation: only flex_attention is compiled, the layer around it runs eagerly.

Truth: the compiled function is one graph with the fused kernel. Nothing else is compiled, on purpose.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 frames_skipped=0 verdict=healthy exit=0
# option --as-is
# backend inductor
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

torch.set_num_threads(1)  # torch 2.8.0 cannot build this kernel for two threads
flex = torch.compile(flex_attention)


def prefix(b, h, q_idx, kv_idx):
    return (kv_idx < 64) | (q_idx >= kv_idx)


class PrefixAttention(nn.Module):
    def __init__(self, dim=64, heads=2, tokens=512):
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.block_mask = create_block_mask(prefix, None, None, tokens, tokens, device="cpu")

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        y = flex(q.contiguous(), k.contiguous(), v.contiguous(), block_mask=self.block_mask)  # attention fused
        return self.out(y.transpose(1, 2).flatten(2))


def build_model():
    return PrefixAttention().eval()


def example_inputs():
    return (torch.randn(1, 512, 64),)
