"""Decoder layer that asks a disabled helper for its block mask at each forward pass.

Truth: the helper is uncompiled on purpose (one deliberate break), so create_block_mask evaluates the mask for all pairs
of tokens at each call. The attention itself is fused.
"""
# summary graph_breaks=1 frames_skipped=0 exit=0
# backend inductor
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

torch.set_num_threads(1)  # torch 2.8.0 cannot build this kernel for two threads


def causal(b, h, q_idx, kv_idx):
    return q_idx >= kv_idx


@torch.compiler.disable
def causal_mask(tokens):
    return create_block_mask(causal, None, None, tokens, tokens, device="cpu")  # expect CD308 each-call


class DecoderLayer(nn.Module):
    def __init__(self, dim=64, heads=2):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(dim, dim) for _ in range(4))
        self.query_norm, self.key_norm = nn.LayerNorm(dim // heads), nn.LayerNorm(dim // heads)

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, x):
        block_mask = causal_mask(x.shape[1])  # expect CD101 deliberate
        q, k = self.query_norm(self.split(self.query(x))), self.key_norm(self.split(self.key(x)))
        y = flex_attention(q, k, self.split(self.value(x)), block_mask=block_mask)  # attention fused
        return x + self.out(y.transpose(1, 2).flatten(2))


def build_model():
    return DecoderLayer().eval()


def example_inputs():
    return (torch.randn(1, 512, 64),)
