"""Slot attention: seven slots compete for 4,096 pixels by a softmax over slots, and take their mean over pixels.

Truth: this is no table of all pairs of tokens: it is as large as the inputs.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 graphs=1 verdict=healthy exit=0
# backend inductor
import torch
from torch import nn


class Slots(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))

    def forward(self, x, slots):
        k, v = self.k(x), self.v(x)
        for _ in range(2):
            shares = torch.softmax(k @ self.q(slots).mT * 0.2, -1) + 1e-8
            slots = slots + (shares / shares.sum(1, keepdim=True)).mT @ v
        return slots


def build_model():
    return Slots()


def example_inputs():
    return torch.randn(1, 4096, 32), torch.randn(1, 7, 32)
