"""Training wrapper that calls a scorer compiled with fullgraph=True; the scorer branches on a tensor.

Truth: as it is, the inner torch.compile(fullgraph=True) raises on its first break; eager works.
"""
# summary verdict=unhealthy exit=1
# option --as-is
import torch
from torch import nn


class Scorer(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.proj, self.out = nn.Linear(dim, dim), nn.Linear(dim, 1)

    def forward(self, x):
        hidden = torch.tanh(self.proj(x))
        if hidden.abs().max() > 0.5:  # expect CD106 fullgraph-branch
            hidden = hidden * 0.5
        return self.out(hidden).squeeze(-1)


class Ranker(nn.Module):
    def __init__(self):
        super().__init__()
        self.scorer = torch.compile(Scorer(), backend="eager", fullgraph=True)

    def forward(self, left, right):
        return torch.sigmoid(self.scorer(left) - self.scorer(right))


def build_model():
    return Ranker().eval()


def example_inputs():
    return (torch.randn(4, 8), torch.randn(4, 8))
