"""Model that is moved to a GPU while it is built, on a machine without one.

Truth: build_model() raises before anything can be compiled: exit 2. (Only the recording of 2.13 is of a build for CPU; for the
others the recorder's fork is what CUDA refuses.)
"""
# summary exit=2
# expect CD001 no-device
# says CD001: There is no CUDA device here [==2.13.0]
# says CD001: Leave `.cuda()` out of this line [==2.13.0]
# says CD001: `--device cuda` [==2.13.0]
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
