"""A mixture of experts by a softmax over 64 experts, then a product with their outputs.

Truth: this is no attention, and the table is small.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
from torch import nn

torch.set_num_threads(1)


class Router(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(64, 64)
        self.experts = nn.Parameter(torch.randn(64, 64))

    def forward(self, x):
        weights = torch.softmax(self.gate(x), dim=-1)
        return weights @ self.experts


def build_model():
    return Router()


def example_inputs():
    return (torch.randn(1, 1024, 64),)
