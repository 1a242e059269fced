"""Feature pyramid head called with three levels, then with two.

Truth: the length of a list argument is guarded; it decides how often the loop is unrolled.
"""
# summary graph_breaks=0 recompiles=1 graphs=2 frames_skipped=0 exit=0
import torch
import torch.nn.functional as F
from torch import nn


class PyramidHead(nn.Module):
    def __init__(self, channels=4):
        super().__init__()
        self.lateral = nn.Conv2d(channels, channels, 1)
        self.score = nn.Conv2d(channels, 1, 3, padding=1)

    def forward(self, levels):
        top = None
        for level in levels:  # expect CD201 list-length
            y = self.lateral(level)
            if top is not None:
                y = y + F.interpolate(top, size=y.shape[-2:], mode="nearest")
            top = y
        return self.score(top).sigmoid()


def build_model():
    return PyramidHead().eval()


def example_input_sets():
    small, middle, large = (torch.randn(1, 4, size, size) for size in (2, 4, 8))
    return [[[small, middle, large]], [[small, middle]]]
