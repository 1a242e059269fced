"""Rotary table that is made anew when a longer sequence comes (older rotary embeddings of transformers).

Truth: the int `cached` is written in forward and guarded, `cached == 4`, `cached == 6`, `cached == 9`.
"""
# summary graph_breaks=0 recompiles=5 graphs=6 frames_skipped=0 exit=0
# says CD203: writes `cached`
# says CD203: for the largest size
import torch
from torch import nn


class Rotary(nn.Module):
    def __init__(self):
        super().__init__()
        self.cached = 0
        self.cos = None

    def forward(self, length):
        if length > self.cached:  # expect CD203 cached-length
            self.cached = length
            positions = torch.arange(length).float()
            self.cos = torch.outer(positions, torch.arange(8).float()).cos()
        return self.cos[:length]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.rotary = Rotary()
        self.lin = nn.Linear(8, 8)

    def forward(self, x):  # expect CD201 size; expect CD201 side-of-the-branch
        return self.lin(x) * self.rotary(x.shape[1])


def build_model():
    return Net().eval()


def example_input_sets():
    return [(torch.randn(1, length, 8),) for length in (4, 6, 5, 9, 12, 7)]
