"""The rotary embedding of recompile_rope_cache with its advice taken: the table is made once, for the largest size.

Truth: two graphs, one static and one dynamic.
"""
# summary graph_breaks=0 recompiles=1 graphs=2 frames_skipped=0 exit=0
import torch
from torch import nn


class Rotary(nn.Module):
    def __init__(self, longest=32):
        super().__init__()
        positions = torch.arange(longest).float()
        self.register_buffer("cos", torch.outer(positions, torch.arange(8).float()).cos())

    def forward(self, length):
        return self.cos[:length]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.rotary = Rotary()
        self.lin = nn.Linear(8, 8)

    def forward(self, x):  # expect CD201 size
        return self.lin(x) * self.rotary(x.shape[1])


def build_model():
    return Net().eval()


def example_input_sets():
    return [(torch.randn(1, length, 8),) for length in (4, 6, 5, 9, 12, 7)]
