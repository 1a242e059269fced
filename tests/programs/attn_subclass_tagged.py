"""Query, key and value are a subclass of Tensor that adds only a name.

Truth: torch 2.11 to 2.14 cannot compile it, without compile-doctor neither: AOTAutograd refuses the subclass at flash's operator. torch 2.8 to 2.10 and 2.15 compile it.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(1)


class Named(torch.Tensor):
    """A tensor with a label."""


class Attention(nn.Module):
    def forward(self, q, k, v):  # expect CD106 subclass-of-tensor [>=2.11,<2.15]
        return F.scaled_dot_product_attention(q * 2, k, v, is_causal=True)  # attention unverified [>=2.11,<2.15]; attention fused [<2.11]; attention fused [>=2.15]


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 1024, 32).as_subclass(Named) for _ in range(3))
