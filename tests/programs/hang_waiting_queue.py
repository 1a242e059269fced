"""Streaming scorer that waits for features from a queue nobody fills.

Truth: it hangs in eager and compiled alike; --timeout ends it.
"""
# summary verdict=inconclusive exit=3
# option --timeout 20
# expect CD003 hang
import queue

import torch
from torch import nn


class StreamingScorer(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.inbox = queue.Queue()
        self.body, self.score = nn.Linear(dim, dim), nn.Linear(dim, 1)

    def forward(self, x):
        hidden = torch.relu(self.body(x))
        bias = self.inbox.get()  # expect CD101 lock
        return self.score(hidden) + bias


def build_model():
    return StreamingScorer().eval()


def example_inputs():
    return (torch.randn(2, 8),)
