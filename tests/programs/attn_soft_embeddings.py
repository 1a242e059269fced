"""Soft tokens: a softmax over the vocabulary between two products with the embedding table.

Truth: this is no attention: the table of tokens by vocabulary grows with the tokens, not with their square.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
from torch import nn

torch.set_num_threads(1)


class Soft(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(8192, 64)

    def forward(self, x):
        weights = torch.softmax(x @ self.table.weight.T, dim=-1)
        return torch.tanh(weights @ self.table.weight)


def build_model():
    return Soft()


def example_inputs():
    return (torch.randn(1, 1024, 64),)
