"""SDPA in three dimensions, beside attention by hand that Inductor's pattern matcher replaces by a flash kernel.

Truth: the one kernel in the generated code is that of the attention by hand. The call of SDPA runs as math, in products and a
softmax; but the kernel has no name, so that nothing in the code says whose it is. From 2.14 on, SDPA has a flash kernel too.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 graphs=1 verdict=healthy exit=0
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn


class Two(nn.Module):
    def forward(self, q, k, v):
        a = torch.softmax(q @ k.transpose(-2, -1) / 4.0, dim=-1).matmul(v)
        b = F.scaled_dot_product_attention(q[:, 0], k[:, 0], v[:, 0])  # attention unverified [<2.14]; attention fused [>=2.14]
        return a.tanh(), b


def build_model():
    return Two().eval()


def example_inputs():
    return tuple(torch.randn(1, 4, 1024, 16) for _ in range(3))
