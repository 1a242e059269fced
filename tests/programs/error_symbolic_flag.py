"""Sorts rows, downwards if there are many, compiled with fullgraph=True and called with several sizes.

Truth: from the second size on `descending` is symbolic, and sort takes only a bool: torch raises. Eager takes it.
"""
# summary verdict=unhealthy exit=1
# option --as-is
# says CD106: descending=SymBool
# says CD106: descending=True if rows.shape[0] > 5 else False
import torch
from torch import nn


class Ranked(nn.Module):
    def forward(self, rows):  # expect CD201 rows
        return torch.sort(rows, dim=1, descending=rows.shape[0] > 5).values  # expect CD106 symbolic-argument


def build_model():
    return torch.compile(Ranked(), backend="eager", fullgraph=True)


def example_input_sets():
    return [(torch.randn(count, 8),) for count in (4, 6, 7)]
