"""Ensemble that reports each member, then averages a generator of their outputs in a helper.

Truth: the print in the loop makes Dynamo give forward up, so that its generator is made in plain Python, and the helper,
a frame of its own, cannot iterate over it. Without the print there is one graph: one cause, one finding.
"""
# summary graph_breaks=1 recompiles=0 frames_skipped=1 verdict=unhealthy exit=1
# says CD103: further break
import torch
from torch import nn


def average(outputs):
    return torch.stack(list(outputs)).mean(0)


class Member(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dense = nn.Linear(dim, dim)

    def forward(self, x):
        return self.dense(x).relu()


class Ensemble(nn.Module):
    def __init__(self, dim=8, members=3):
        super().__init__()
        self.members = nn.ModuleList(Member(dim) for _ in range(members))

    def forward(self, x):  # expect CD104 skipped
        for number, member in enumerate(self.members):
            print("member", number, member(x).shape)  # expect CD103 print
        return average(member(x) for member in self.members)


def build_model():
    return Ensemble().eval()


def example_inputs():
    return (torch.randn(2, 8),)
