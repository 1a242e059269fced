"""SDPA inside a custom operator of the program: no graph contains it.

Truth: the operator runs Python, which calls SDPA outside of the graphs; on this CPU torch takes flash.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(1)


@torch.library.custom_op("labelled::attend", mutates_args=())
def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)  # attention fused


@attend.register_fake
def _(q, k, v):
    return torch.empty_like(q)


class Attention(nn.Module):
    def forward(self, q, k, v):
        return torch.relu(attend(q * 2, k, v))


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 1024, 32) for _ in range(3))
