"""A learned relative bias as attn_mask, in training (attention-gym#20).

Truth: on a CPU no fused backend takes a mask that requires a gradient, and torch names no reason.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 verdict=unhealthy exit=1
# backend inductor
# option --grad
# says CD503: it is chosen with attn_mask.requires_grad=False
# never CD503: torch would choose a fused backend
import torch
import torch.nn.functional as F
from torch import nn

LONGEST = 512


class RelativeBias(nn.Module):
    def __init__(self, heads=2):
        super().__init__()
        self.table = nn.Parameter(torch.zeros(heads, 2 * LONGEST - 1))

    def forward(self, q, k, v):
        place = torch.arange(q.shape[2])
        bias = self.table[:, place[:, None] - place + LONGEST - 1]
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias[None])  # expect CD503 mask-requires-grad; attention dense


def build_model():
    return RelativeBias()


def example_inputs():
    return tuple(torch.randn(1, 2, LONGEST, 32) for _ in range(3))
