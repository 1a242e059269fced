"""Attention over a jagged nested tensor (sequences of three lengths).

Truth: torch cannot compile it and runs its dense path; the output equals eager's, whatever the ragged size is called.
"""
# summary graph_breaks=1 verdict=inconclusive
# backend inductor
# expect CD105 nothing-compiled
# never CD503: torch would choose a fused backend
import torch
import torch.nn.functional as F
from torch import nn


class RaggedAttention(nn.Module):
    def forward(self, q, k, v):
        return F.scaled_dot_product_attention(q, k, v)  # expect CD101 nested; expect CD503 math; attention dense


def build_model():
    return RaggedAttention()


def example_inputs():
    parts = [torch.randn(n, 2, 16) for n in (30, 50, 20)]
    nested = torch.nested.nested_tensor(parts, layout=torch.jagged).transpose(1, 2)
    return nested, nested * 1.5, nested * 0.5
