"""Custom operator whose shape function reads through a null pointer (ctypes), as a bad native meta would.

Truth: the real kernel never takes that path; only tracing with fake tensors does, and dies by SIGSEGV.
"""
# summary verdict=unhealthy exit=1
# expect CD107 sigsegv
import ctypes

import torch
from torch import nn


@torch.library.custom_op("labelled::fast_norm", mutates_args=())
def fast_norm(x: torch.Tensor) -> torch.Tensor:
    return x * torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + 1e-5)


@fast_norm.register_fake
def _(x):
    ctypes.string_at(0)
    return torch.empty_like(x)


class NormedMLP(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.up, self.down = nn.Linear(dim, 16), nn.Linear(16, dim)

    def forward(self, x):
        x = torch.ops.labelled.fast_norm(x)
        return x + self.down(torch.relu(self.up(x)))


def build_model():
    return NormedMLP().eval()


def example_inputs():
    return (torch.randn(3, 8),)
