"""Model that is moved to a GPU while it is built, on a machine without one.

Truth: build_model() raises before anything can be compiled: exit 2.
"""
# summary exit=2
# expect CD001 no-device
# says CD001: There is no CUDA device here
# says CD001: Leave `.cuda()` out of this line
# says CD001: `--device cuda`
import torch
from torch import nn


class Encoder(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.body = nn.Linear(dim, dim)

    def forward(self, x):
        return torch.relu(self.body(x))


def build_model():
    return Encoder().cuda().eval()


def example_inputs():
    return (torch.randn(2, 8),)
