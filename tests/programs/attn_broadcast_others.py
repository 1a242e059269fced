"""Sums of broadcast multiplications that are no attention: soft assignment to learned centres, and a mask times a table of values.

Truth: the centres are parameters, so the table grows with the tokens only. There are no scores.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 graphs=1 verdict=healthy exit=0
# backend inductor
import torch
from torch import nn


class Assign(nn.Module):
    def __init__(self, centres=1024, dim=16):
        super().__init__()
        self.centres = nn.Parameter(torch.randn(centres, dim))

    def forward(self, x, gates):
        likeness = (x[:, None, :] * self.centres).sum(-1)
        described = likeness.softmax(-1) @ self.centres
        return described * (x * gates[:, None]).sum(-1, keepdim=True).softmax(0)


def build_model():
    return Assign()


def example_inputs():
    return torch.randn(1024, 16), torch.rand(1024)
