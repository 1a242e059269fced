"""Whole training step, backward included, under torch.compile.

Truth: Tensor.backward() inside a compiled function breaks the graph.
"""
# summary graph_breaks=1 recompiles=0 frames_skipped=0 verdict=unhealthy exit=1
# option --grad
import torch
import torch.nn.functional as F
from torch import nn


class TrainStep(nn.Module):
    def __init__(self, dim=8, classes=3, rate=0.01):
        super().__init__()
        self.rate = rate
        self.net = nn.Sequential(nn.Linear(dim, 16), nn.ReLU(), nn.Linear(16, classes))

    def forward(self, x, y):
        logits = self.net(x)
        loss = F.cross_entropy(logits, y)
        loss.backward()  # expect CD101 backward
        with torch.no_grad():
            accuracy = (logits.argmax(dim=-1) == y).float().mean()
        return loss.detach() * 1.0, accuracy


def build_model():
    return TrainStep().train()


def example_inputs():
    return (torch.randn(6, 8), torch.randint(0, 3, (6,)))
