"""A softmax over tokens × tokens that is summed over its queries: how much each token is looked at.

Truth: this weighs no values: the sum is over the queries, and SDPA cannot compute it.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
from torch import nn

torch.set_num_threads(1)


class Looked(nn.Module):
    def forward(self, q, k, x):
        shares = torch.einsum("bqd,bkd->bqk", q, k).softmax(-1)
        return torch.einsum("bqk,bqd->bkd", shares, x)


def build_model():
    return Looked()


def example_inputs():
    return tuple(torch.randn(1, 1024, 32) for _ in range(3))
