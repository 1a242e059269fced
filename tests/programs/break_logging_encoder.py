"""Encoder that logs the size and the range of its activations.

Truth: a logger method is not traceable, a break each; the tensor in the second message is
formatted by logging, outside the graph, and adds no break.
"""
# summary graph_breaks=2 recompiles=0 frames_skipped=0 verdict=unhealthy exit=1
import logging

import torch
from torch import nn

logger = logging.getLogger(__name__)


class LoggedEncoder(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.first, self.second = nn.Linear(dim, 16), nn.Linear(16, dim)

    def forward(self, x):
        hidden = torch.relu(self.first(x))
        logger.info("hidden has %d features", hidden.shape[-1])  # expect CD101 logging
        out = self.second(hidden)
        logger.debug("largest %s", out.abs().max())  # expect CD101 logging
        return x + out


def build_model():
    return LoggedEncoder().eval()


def example_inputs():
    return (torch.randn(3, 8),)
