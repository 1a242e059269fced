"""SDPA under torch.vmap over a further dimension.

Truth: vmap has a rule for flash on a CPU: the mapped dimension joins the batch.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(1)


class Attention(nn.Module):
    def forward(self, q, k, v):
        return torch.vmap(F.scaled_dot_product_attention)(q * 2, k, v)  # attention fused


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(3, 1, 2, 1024, 32) for _ in range(3))
