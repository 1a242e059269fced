"""Block with local attention through plain flex_attention and global attention through a disabled compiled one.

Truth: the local one is fused with the graph around it, the global one runs eagerly with its score matrix.
"""
# summary graph_breaks=1 frames_skipped=0 verdict=unhealthy exit=1
# backend inductor
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

torch.set_num_threads(1)  # torch 2.8.0 cannot build this kernel for two threads
global_flex = torch.compiler.disable(torch.compile(flex_attention))  # expect CD302 disable-unwraps


def window(b, h, q_idx, kv_idx):
    return (q_idx - kv_idx).abs() <= 64


def causal(b, h, q_idx, kv_idx):
    return q_idx >= kv_idx


class LocalGlobalBlock(nn.Module):
    def __init__(self, dim=64, heads=2, tokens=512):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(dim, dim) for _ in range(4))
        self.query_norm, self.key_norm = nn.LayerNorm(dim // heads), nn.LayerNorm(dim // heads)
        self.local = create_block_mask(window, None, None, tokens, tokens, device="cpu")
        self.whole = create_block_mask(causal, None, None, tokens, tokens, device="cpu")

    def project(self, x):
        q, k, v = (p(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in (self.query, self.key, self.value))
        return self.query_norm(q), self.key_norm(k), v

    def forward(self, x):
        y = flex_attention(*self.project(x), block_mask=self.local)  # attention fused
        x = x + self.out(y.transpose(1, 2).flatten(2))
        y = global_flex(*self.project(x), block_mask=self.whole)  # expect CD101 deliberate; expect CD301 flex; attention dense
        return x + self.out(y.transpose(1, 2).flatten(2))


def build_model():
    return LocalGlobalBlock().eval()


def example_inputs():
    return (torch.randn(1, 512, 64),)
