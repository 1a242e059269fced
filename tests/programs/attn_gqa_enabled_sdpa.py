"""Grouped-query attention by SDPA's enable_gqa.

Truth: since torch 2.9 flash on a CPU takes fewer heads of keys and values.
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
        return F.scaled_dot_product_attention(q * 2, k, v, is_causal=True, enable_gqa=True)  # attention fused [>=2.9]; attention dense [<2.9]; expect CD503 grouped [<2.9]


def build_model():
    return Attention()


def example_inputs():
    return torch.randn(1, 8, 1024, 32), torch.randn(1, 2, 1024, 32), torch.randn(1, 2, 1024, 32)


# summary verdict=healthy exit=0 [>=2.9]
# says CD503: k, v = (t.repeat_interleave(q.shape[1] // t.shape[1], dim=1) [<2.9]
