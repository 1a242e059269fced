"""Tokeniser-like model whose native helper kills the process on any call.

Truth: the process dies in eager too (SIGABRT), so this is no compile problem.
"""
# summary verdict=inconclusive exit=3
# expect CD002 dies-in-eager
import os

import torch
from torch import nn


class NativeLookup:
    def __init__(self, rows):
        self.rows = rows

    def __call__(self, ids):
        if ids.numel() > self.rows:
            os.abort()
        return ids % self.rows


class HashedEmbedding(nn.Module):
    def __init__(self, rows=4, dim=8):
        super().__init__()
        self.lookup = NativeLookup(rows)
        self.table = nn.Embedding(rows, dim)

    def forward(self, ids):
        return self.table(self.lookup(ids)).mean(dim=1)


def build_model():
    return HashedEmbedding().eval()


def example_inputs():
    return (torch.randint(0, 100, (2, 5)),)
