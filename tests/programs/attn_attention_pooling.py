"""Pooling by one learned query over the tokens, written by hand.

Truth: the scores are one row for each sequence.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
from torch import nn

torch.set_num_threads(1)


class Pool(nn.Module):
    def __init__(self):
        super().__init__()
        self.query = nn.Parameter(torch.randn(1, 1, 64))

    def forward(self, x):
        weights = torch.softmax(self.query @ x.transpose(-2, -1), dim=-1)
        return torch.tanh(weights @ x)


def build_model():
    return Pool()


def example_inputs():
    return (torch.randn(1, 1024, 64),)
