"""Image model under dynamic=False, given three sizes.

Truth: each size has a graph of its own, because of dynamic=False; it is no cache that grows.
"""
# option --no-dynamic
# summary graph_breaks=0 recompiles=2 graphs=3 frames_skipped=0 exit=0
# says CD201: dynamic=False
# never CD201: BlockMask
import torch
from torch import nn


class Stem(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, image):  # expect CD201 image-size
        return self.conv(image).relu().mean((2, 3))


def build_model():
    return Stem().eval()


def example_input_sets():
    return [(torch.randn(1, 3, size, 16),) for size in (8, 12, 16)]
