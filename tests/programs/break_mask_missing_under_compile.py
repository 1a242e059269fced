"""Attention whose mask is only made outside of torch.compile, behind a decorator with a `finally`.

Truth: under Dynamo the mask is None, and indexing it raises a TypeError that eager never raises. torch names the
`finally` of the decorator first, and the line that raises only when it compiles the inner frame (seen in
transformers' Switch Transformers).
"""

# summary graph_breaks=1 verdict=unhealthy exit=1
import functools

import torch
from torch import nn


def counted(function):
    @functools.wraps(function)
    def wrapper(self, *args):  # expect CD104 raised-inside
        self.depth += 1
        try:
            return function(self, *args)
        finally:
            self.depth -= 1

    return wrapper


class Gate(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.linear = nn.Linear(dim, dim)

    def forward(self, v):
        return self.linear(v).sigmoid() * v


class MaskedAttention(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.qkv = nn.Linear(dim, 3 * dim)
        self.gate = Gate(dim)
        self.depth = 0

    @counted
    def forward(self, x):  # expect CD104 raised
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        mask = None if torch.compiler.is_compiling() else torch.ones(x.shape[1], x.shape[1]).tril().bool()
        gate = self.gate(v)
        scores = (q @ k.transpose(-1, -2)).masked_fill(~mask[None], float("-inf"))  # expect CD101 raises-only-under-compile
        return scores.softmax(-1) @ gate


def build_model():
    return MaskedAttention().eval()


def example_inputs():
    return (torch.randn(2, 5, 8),)
