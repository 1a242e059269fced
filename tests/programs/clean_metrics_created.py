"""The step of recompile_empty_metrics with its advice taken: the key is there from the start.

Truth: one graph.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 frames_skipped=0 exit=0
import torch
from torch import nn


class Step(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(4, 4)
        self.metrics = {"loss": torch.zeros(())}

    def log(self, name, value):
        self.metrics[name] = value.detach()

    def forward(self, x):
        loss = self.lin(x).pow(2).mean()
        self.log("loss", loss)
        return loss


def build_model():
    return Step().eval()


def example_inputs():
    return (torch.randn(4, 4),)
