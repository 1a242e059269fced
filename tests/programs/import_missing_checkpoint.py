"""Model whose constructor reads a checkpoint that does not exist.

Truth: build_model() raises FileNotFoundError before anything can be compiled: exit 2.
"""
# summary exit=2
# expect CD001 build-fails
import pathlib

import torch
from torch import nn

CHECKPOINT = pathlib.Path(__file__).with_name("weights-that-are-not-there.pt")


class PretrainedHead(nn.Module):
    def __init__(self, dim=8, classes=3):
        super().__init__()
        self.body, self.head = nn.Linear(dim, dim), nn.Linear(dim, classes)
        self.load_state_dict(torch.load(CHECKPOINT, weights_only=True))

    def forward(self, x):
        return self.head(torch.relu(self.body(x)))


def build_model():
    return PretrainedHead().eval()


def example_inputs():
    return (torch.randn(2, 8),)
