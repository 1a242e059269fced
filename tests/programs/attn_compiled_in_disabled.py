"""A decode loop under torch.compiler.disable that calls a compiled block.

Truth: the loop is plain Python, the block a graph with flash.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(1)


class Attention(nn.Module):
    def __init__(self, dim=64, heads=2):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(dim, dim) for _ in range(3))

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2).contiguous()

    def forward(self, x):
        q, k, v = self.split(self.query(x)) * 1.0, self.split(self.key(x)) * 1.0, self.split(self.value(x))
        return F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)  # attention fused


class Loop(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = torch.compile(Attention())

    @torch.compiler.disable
    def forward(self, x):
        for _ in range(2):
            x = x + self.block(x)
        return x


def build_model():
    return Loop()


def example_inputs():
    return (torch.randn(1, 1024, 64),)
