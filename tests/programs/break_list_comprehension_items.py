"""Span extractor that turns tensor values into Python ints in a list comprehension.

Truth: int(tensor) inside the comprehension is the break; on Python 3.11 the comprehension is a
function of its own at the same line.
"""
# summary graph_breaks=1 verdict=unhealthy exit=1
import torch
from torch import nn


class SpanExtractor(nn.Module):
    def __init__(self, dim=8, spans=3):
        super().__init__()
        self.spans = spans
        self.start, self.mix = nn.Linear(dim, 1), nn.Linear(dim, dim)

    def forward(self, x):
        scores = self.start(x).squeeze(-1)
        best = scores.topk(self.spans).indices
        starts = [int(value) for value in best]  # expect CD101 item
        mixed = torch.relu(self.mix(x))
        return torch.stack([mixed[start] for start in starts])


def build_model():
    return SpanExtractor().eval()


def example_inputs():
    return (torch.randn(6, 8),)
