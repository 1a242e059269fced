"""Transformer MLP block that notes when it was used last.

Truth: time.time is a C builtin that Dynamo does not trace; its result enters the resumed frame as a
specialised float, so the second call compiles that frame again.
"""
# summary graph_breaks=1 recompiles=1 frames_skipped=0 verdict=unhealthy exit=1
import time

import torch
from torch import nn


class TimedBlock(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.up, self.down = nn.Linear(dim, 32), nn.Linear(32, dim)
        self.last_used = 0.0

    def forward(self, x):
        x = self.norm(x)
        self.last_used = time.time()  # expect CD101 time
        y = self.down(torch.relu(self.up(x)))
        return x + y


def build_model():
    return TimedBlock().eval()


def example_input_sets():
    return [(torch.randn(2, 4, 8),) for _ in range(2)]
