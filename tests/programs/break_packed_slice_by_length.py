"""Sequence model that cuts its batch to the longest row: a slice bound that is a tensor.

Truth: `x[:, :longest]` calls __index__ on a tensor, the same break as .item().
"""
# summary graph_breaks=1 recompiles=0 verdict=unhealthy exit=1
import torch
from torch import nn


class TrimmedEncoder(nn.Module):
    def __init__(self, vocab=30, dim=12):
        super().__init__()
        self.embed = nn.Embedding(vocab, dim, padding_idx=0)
        self.mix = nn.Linear(dim, dim)

    def forward(self, ids):  # expect CD101 unrecorded-line [<2.10]; expect CD104 rest-from-the-slice
        embedded = self.embed(ids)
        longest = (ids != 0).sum(dim=1).max()
        trimmed = embedded[:, :longest]  # expect CD101 tensor-slice-bound [>=2.10]
        hidden = torch.tanh(self.mix(trimmed))
        return hidden.mean(dim=1)


def build_model():
    return TrimmedEncoder().eval()


def example_inputs():
    return (torch.tensor([[4, 7, 2, 0, 0], [9, 3, 5, 6, 0]]),)
