"""Decoder layer with a debugging print between its projections and its attention.

Truth: the print breaks the graph; the resumed frame holds flex_attention and is compiled: fused.
"""
# summary graph_breaks=1 recompiles=0 graphs=2 frames_skipped=0 verdict=unhealthy exit=1
# backend inductor
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

torch.set_num_threads(1)  # torch 2.8.0 cannot build this kernel for two threads


def causal(b, h, q_idx, kv_idx):
    return q_idx >= kv_idx


class DecoderLayer(nn.Module):
    def __init__(self, dim=64, heads=2, tokens=512):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(dim, dim) for _ in range(4))
        self.block_mask = create_block_mask(causal, None, None, tokens, tokens, device="cpu")

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2).contiguous()

    def forward(self, x):
        q, k, v = self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x))
        print("query", q.shape, q.mean())  # expect CD101 print
        y = flex_attention(q, k, v, block_mask=self.block_mask)  # attention fused
        return self.out(y.transpose(1, 2).flatten(2))


def build_model():
    return DecoderLayer().eval()


def example_inputs():
    return (torch.randn(1, 512, 64),)
