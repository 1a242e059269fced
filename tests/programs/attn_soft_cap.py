"""Attention with logits capped by tanh, written as a score_mod.

Truth: the score_mod is compiled into the kernel: one graph, fused.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 frames_skipped=0 verdict=healthy exit=0
# backend inductor
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

torch.set_num_threads(1)  # torch 2.8.0 cannot build this kernel for two threads


def soft_cap(score, b, h, q_idx, kv_idx):
    return 30.0 * torch.tanh(score / 30.0)


def local_causal(b, h, q_idx, kv_idx):
    return (q_idx >= kv_idx) & (q_idx - kv_idx < 128)


class CappedAttention(nn.Module):
    def __init__(self, dim=64, heads=2, tokens=512):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(dim, dim, bias=False) for _ in range(4))
        self.query_norm, self.key_norm = nn.RMSNorm(dim // heads), nn.RMSNorm(dim // heads)
        self.block_mask = create_block_mask(local_causal, None, None, tokens, tokens, device="cpu")

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, x):
        q, k = self.query_norm(self.split(self.query(x))), self.key_norm(self.split(self.key(x)))
        v = self.split(self.value(x))
        y = flex_attention(q, k, v, score_mod=soft_cap, block_mask=self.block_mask)  # attention fused
        return self.out(y.transpose(1, 2).flatten(2))


def build_model():
    return CappedAttention().eval()


def example_inputs():
    return (torch.randn(1, 512, 64),)
