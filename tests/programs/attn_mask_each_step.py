"""Uncompiled layer with a compiled flex_attention that builds its causal block mask in each forward pass.

Truth: create_block_mask runs eagerly at each call and evaluates the mask for all pairs of tokens; the attention is
fused.
"""
# summary graph_breaks=0 frames_skipped=0 exit=0
# option --as-is
# backend inductor
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

torch.set_num_threads(1)  # torch 2.8.0 cannot build this kernel for two threads
flex = torch.compile(flex_attention)


def causal(b, h, q_idx, kv_idx):
    return q_idx >= kv_idx


class CausalAttention(nn.Module):
    def __init__(self, dim=64, heads=2):
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x):
        tokens = x.shape[1]
        q, k, v = (part.contiguous() for part in self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4))
        block_mask = create_block_mask(causal, None, None, tokens, tokens, device="cpu")  # expect CD308 each-call
        y = flex(q, k, v, block_mask=block_mask)  # attention fused
        return self.out(y.transpose(1, 2).flatten(2))


def build_model():
    return CausalAttention().eval()


def example_inputs():
    return (torch.randn(1, 512, 64),)
