"""Detection head that keeps the shape for which it made its anchors, and compares it (ultralytics).

Truth: the attribute is new at the second call; then the input's size; then the stored shape that the compiled code reads.
"""
# summary graph_breaks=0 recompiles=3 graphs=4 frames_skipped=0 exit=0
# never CD205: KV cache
# never CD201: torch.tensor(value)
import torch
from torch import nn


class Head(nn.Module):
    shape = None

    def __init__(self):
        super().__init__()
        self.anchors = torch.empty(0)
        self.conv = nn.Conv2d(3, 4, 1)

    def make(self, x):
        height, width = x.shape[-2:]
        rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        return torch.stack([columns, rows], -1).view(-1, 2).float()

    def forward(self, x):  # expect CD201 size
        shape = x.shape
        y = self.conv(x)
        if self.shape != shape:  # expect CD201 new-attribute; expect CD201 stored-shape
            self.anchors = self.make(y)
            self.shape = shape
        return y.flatten(2).transpose(1, 2)[..., :2] + self.anchors


def build_model():
    return Head().eval()


def example_input_sets():
    return [(torch.randn(1, 3, size, size),) for size in (8, 8, 12, 16)]
