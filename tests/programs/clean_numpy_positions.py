"""Transformer input layer that builds its sinusoidal table with NumPy inside forward.

Clean: Dynamo traces NumPy's array functions as tensor operations.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 frames_skipped=0 verdict=healthy exit=0
# requires numpy
import numpy as np
import torch
from torch import nn


class PositionalEmbedding(nn.Module):
    def __init__(self, vocab=20, dim=8):
        super().__init__()
        self.dim = dim
        self.embed = nn.Embedding(vocab, dim)
        self.norm = nn.LayerNorm(dim)

    def forward(self, ids):
        position = np.arange(ids.shape[1])[:, None]
        rate = np.exp(np.arange(0, self.dim, 2) * (-np.log(10000.0) / self.dim))
        table = np.concatenate([np.sin(position * rate), np.cos(position * rate)], axis=-1)
        x = self.embed(ids) + torch.from_numpy(table).to(torch.float32)
        return self.norm(x)


def build_model():
    return PositionalEmbedding().eval()


def example_inputs():
    return (torch.randint(0, 20, (2, 5)),)
