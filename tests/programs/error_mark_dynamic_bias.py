"""Position bias of a fixed length, added to a batch whose first dimension is marked as dynamic.

Truth: the sum fixes the marked dimension to 6, which torch refuses; torch names the line under "User stack:". Eager works.
"""
# summary verdict=unhealthy exit=1
# says CD106: specialized it to be a constant (6)
# says CD106: torch._dynamo.maybe_mark_dynamic(x, 0)
# never CD106: torch.compiler.disable
import torch
from torch import nn


class PositionBias(nn.Module):
    def __init__(self, length=6, dim=8):
        super().__init__()
        self.bias = nn.Parameter(torch.randn(length, dim))
        self.mix = nn.Linear(dim, dim)

    def forward(self, x):
        return self.mix(x) + self.bias  # expect CD106 marked-dynamic


def build_model():
    return PositionBias().eval()


def example_inputs():
    x = torch.randn(6, 8)
    torch._dynamo.mark_dynamic(x, 0)
    return (x,)
