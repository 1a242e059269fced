"""The checkpointed function counts its calls on the module."""

# option --grad
# says CD101: outside of the
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(8, 8)
        self.calls = 0

    def inner(self, x):  # expect CD104 checkpointed
        self.calls += 1  # expect CD101 side-effect [<2.13]
        return self.proj(x).relu()

    def forward(self, x):
        x = x * 2
        return checkpoint(self.inner, x, use_reentrant=False).sum()  # expect CD101 side-effect [>=2.13]


def build_model():
    return Block()


def example_inputs():
    return (torch.randn(4, 8),)
