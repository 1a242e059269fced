"""Step that logs its loss into a dict of the module (lightning issue 21836).

Truth: the dict is empty at the first call, and not afterwards: one recompilation.
"""
# summary graph_breaks=0 recompiles=1 graphs=2 frames_skipped=0 exit=0
# says CD201: before the first call
# never CD201: Make what the guard reads
import torch
from torch import nn


class Step(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(4, 4)
        self.metrics = {}

    def log(self, name, value):
        self.metrics[name] = value.detach()  # expect CD201 empty-dict

    def forward(self, x):
        loss = self.lin(x).pow(2).mean()
        self.log("loss", loss)
        return loss


def build_model():
    return Step().eval()


def example_inputs():
    return (torch.randn(4, 4),)
