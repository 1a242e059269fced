"""A model that went through torch.export before it is compiled.

Truth: the exported graph calls aten's SDPA, which becomes flash.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0
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
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)  # attention fused


def build_model():
    return torch.export.export(Attention().eval(), (torch.randn(1, 1024, 64),)).module()


def example_inputs():
    return (torch.randn(1, 1024, 64),)
