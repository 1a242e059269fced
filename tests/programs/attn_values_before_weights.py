"""A non-local block, as SAGAN has it: theta, phi and g by convolutions, the values times the transposed weights.

Truth: bmm, softmax, bmm: 4,096 pixels look at 1,024, in one table.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 graphs=1 verdict=healthy exit=0
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn


class NonLocal(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.theta, self.phi, self.g = (nn.Conv2d(width, width // 2, 1) for _ in range(3))
        self.out = nn.Conv2d(width // 2, width, 1)

    def forward(self, x):
        rows, _, high, wide = x.shape
        theta = self.theta(x).flatten(2)
        phi, g = (F.max_pool2d(f(x), 2).flatten(2) for f in (self.phi, self.g))
        weights = F.softmax(torch.bmm(theta.permute(0, 2, 1), phi), dim=-1)  # expect CD505 by-hand
        return x + self.out(torch.bmm(g, weights.permute(0, 2, 1)).view(rows, -1, high, wide))


def build_model():
    return NonLocal()


def example_inputs():
    return (torch.randn(1, 32, 64, 64),)
