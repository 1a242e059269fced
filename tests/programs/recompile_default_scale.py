"""Attention scores whose scale is None by default, and a float in some calls.
Truth: None has a graph, and so has the first float; the line `scale is None` needs no value of the float, so that a tensor
can take its place.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=2 graphs=3 exit=0
# says CD201: torch.tensor(scale)
# never CD201: torch.where
import torch
from torch import nn


class Scores(nn.Module):
    def __init__(self):
        super().__init__()
        self.query = nn.Linear(8, 8)

    def forward(self, x, scale=None):
        query = self.query(x)
        if scale is None:  # expect CD201 none-argument; expect CD201 float-argument
            scale = query.size(-1) ** -0.5
        return query * scale


def build_model():
    return Scores()


def example_input_sets():
    x = torch.randn(2, 8)
    return [{"x": x}, {"x": x, "scale": 0.25}, {"x": x, "scale": 0.5}]
