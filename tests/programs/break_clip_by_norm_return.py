"""A branch that returns: the gradient is scaled only if its norm is large."""

# summary graph_breaks=1 verdict=unhealthy exit=1
# says CD102: return torch.where(norm > 1.0, g / norm, g)
import torch
from torch import nn


class Clip(nn.Module):
    def forward(self, g):
        norm = g.norm()
        if norm > 1.0:  # expect CD102 branch
            return g / norm
        return g


def build_model():
    return Clip().eval()


def example_inputs():
    return (torch.randn(16),)
