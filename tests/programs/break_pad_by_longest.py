"""Padding up to the longest of the lengths that the call gets as a tensor."""

# summary graph_breaks=1 verdict=unhealthy exit=1
# says CD101: Compute (0, 0, 0, missing) from Python ints only
# never CD101: config.capture
import torch
import torch.nn.functional as F
from torch import nn


class PadBatch(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(8, 8)

    def forward(self, x, lengths):
        h = self.proj(x)
        missing = lengths.max() - x.shape[0]
        padded = F.pad(h, (0, 0, 0, missing))  # expect CD101 padding
        return padded.relu()


def build_model():
    return PadBatch().eval()


def example_inputs():
    return torch.randn(5, 8), torch.tensor([5, 7])
