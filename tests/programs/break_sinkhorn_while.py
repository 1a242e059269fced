"""Sinkhorn normalisation that iterates until the marginals converge.

Truth: the condition of the `while` is a tensor value (CD102). The first test lies before the loop
(CPython 3.11 and later compile it so) and the frame is resumed: no frame is skipped.
"""
# summary graph_breaks=1 frames_skipped=0 recompiles=0 verdict=unhealthy exit=1
import torch
from torch import nn


class CostNet(nn.Module):
    def __init__(self, dim=6):
        super().__init__()
        self.left, self.right = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def forward(self, a, b):
        return torch.cdist(self.left(a), self.right(b)).square()


class Sinkhorn(nn.Module):
    def __init__(self, tolerance=1e-3):
        super().__init__()
        self.tolerance = tolerance
        self.cost = CostNet()

    def forward(self, a, b):
        plan = torch.exp(-self.cost(a, b))
        error = (plan.sum(dim=1) - 1).abs().max()
        while error > self.tolerance:  # expect CD102 while-convergence
            plan = plan / plan.sum(dim=1, keepdim=True)
            plan = plan / plan.sum(dim=0, keepdim=True)
            error = (plan.sum(dim=1) - 1).abs().max()
        return plan


def build_model():
    return Sinkhorn().eval()


def example_inputs():
    return (torch.randn(4, 6), torch.randn(4, 6))
