"""GPT block that calls a torch.compile'd flex_attention, as the tutorials do, and is compiled as a whole too.

Truth: the outer torch.compile inlines the inner one, which has no options to lose: one graph, fused.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 frames_skipped=0 verdict=healthy exit=0
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
        self.query, self.key, self.value, self.out = (nn.Linear(dim, dim, bias=False) for _ in range(4))
        self.query_norm, self.key_norm = nn.RMSNorm(dim // heads), nn.RMSNorm(dim // heads)

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, x, block_mask):
        q, k = self.query_norm(self.split(self.query(x))), self.key_norm(self.split(self.key(x)))
        y = flex(q, k, self.split(self.value(x)), block_mask=block_mask)  # attention fused
        return self.out(y.transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self, dim=64, tokens=512):
        super().__init__()
        self.norm, self.mlp_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = CausalAttention(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))
        self.block_mask = create_block_mask(causal, None, None, tokens, tokens, device="cpu")

    def forward(self, x):
        x = x + self.attention(self.norm(x), self.block_mask)
        return x + self.mlp(self.mlp_norm(x))


def build_model():
    return Block().eval()


def example_inputs():
    return (torch.randn(1, 512, 64),)
