"""Decoder layer with flex_attention compiled with options of its own, inside a model that is compiled as a whole.

Truth: the outer torch.compile inlines the inner one: fused, but mode and dynamic are dropped without a word.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 frames_skipped=0 exit=0
# backend inductor
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

torch.set_num_threads(1)  # torch 2.8.0 cannot build this kernel for two threads
tuned_flex = torch.compile(flex_attention, dynamic=False, mode="max-autotune-no-cudagraphs")  # expect CD304 dropped


def causal(b, h, q_idx, kv_idx):
    return q_idx >= kv_idx


class DecoderLayer(nn.Module):
    def __init__(self, dim=64, heads=2, tokens=512):
        super().__init__()
        self.heads = heads
        self.norm, self.out = nn.RMSNorm(dim), nn.Linear(dim, dim, bias=False)
        self.query, self.key, self.value = (nn.Linear(dim, dim, bias=False) for _ in range(3))
        self.query_norm, self.key_norm = nn.RMSNorm(dim // heads), nn.RMSNorm(dim // heads)
        self.block_mask = create_block_mask(causal, None, None, tokens, tokens, device="cpu")

    def forward(self, x):
        h = self.norm(x)
        q, k, v = (p(h).unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in (self.query, self.key, self.value))
        y = tuned_flex(self.query_norm(q), self.key_norm(k), v, block_mask=self.block_mask)  # attention fused
        return x + self.out(y.transpose(1, 2).flatten(2))


def build_model():
    return DecoderLayer().eval()


def example_inputs():
    return (torch.randn(1, 512, 64),)
