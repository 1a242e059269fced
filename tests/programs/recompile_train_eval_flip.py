"""Training loop that validates in between: the compiled model is switched to eval() and back.

Truth: `training` is guarded; train and eval are two graphs, and going back reuses the first.
"""
# summary graph_breaks=0 recompiles=1 graphs=2 frames_skipped=0 exit=0
# option --as-is
import torch
from torch import nn


class DropPathMLP(nn.Module):
    def __init__(self, dim=8, rate=0.2):
        super().__init__()
        self.rate = rate
        self.up, self.down = nn.Linear(dim, 16), nn.Linear(16, dim)

    def forward(self, x):
        y = self.down(torch.relu(self.up(x)))
        if self.training:  # expect CD201 training-flag
            keep = (torch.rand(x.shape[0], 1) > self.rate).to(x.dtype)
            y = y * keep / (1 - self.rate)
        return x + y


def build_model():
    model = DropPathMLP()
    compiled = torch.compile(model, backend="eager")

    def run(x, training):
        model.train(training)
        return compiled(x)

    return run


def example_input_sets():
    x = torch.randn(4, 8)
    return [(x, True), (x, False), (x, True)]
