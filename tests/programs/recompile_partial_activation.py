"""Block that takes its activation as an argument; the caller passes a fresh functools.partial.

Truth: each call carries a partial with another bound keyword, which is guarded by value.
"""
# summary graph_breaks=0 recompiles=2 graphs=3 frames_skipped=0 exit=0
import functools

import torch
import torch.nn.functional as F
from torch import nn


class ActivatedBlock(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.up, self.down = nn.Linear(dim, 16), nn.Linear(16, dim)

    def forward(self, x, activation):
        hidden = self.up(x)
        hidden = activation(hidden)  # expect CD204 new-partial
        return x + self.down(hidden)


def build_model():
    return ActivatedBlock().eval()


def example_input_sets():
    x = torch.randn(3, 8)
    choices = [{"approximate": "none"}, {"approximate": "tanh"}]
    sets = [(x, functools.partial(F.gelu, **choice)) for choice in choices]
    return [*sets, (x, functools.partial(F.softplus, threshold=10))]
