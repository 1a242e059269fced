"""Scorer with a string argument that is another one at each call, compiled with fullgraph=True.

Truth: eight compilations, then torch raises instead of running forward in plain Python: one error, at forward.
"""
# summary graph_breaks=0 recompiles=7 graphs=8 verdict=unhealthy exit=1
# option --as-is
# says CD202: raised an error and ended the run
# never CD202: runs in plain Python
import torch
from torch import nn


class Tagged(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(8, 8)

    def forward(self, x, tag):  # expect CD202 recompile-limit
        return self.proj(x) * len(tag)  # expect CD201 tag


def build_model():
    return torch.compile(Tagged().eval(), backend="eager", fullgraph=True)


def example_input_sets():
    x = torch.randn(4, 8)
    return [(x, "t" * count) for count in range(1, 12)]
