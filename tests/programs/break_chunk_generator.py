"""Long-sequence scorer that walks over chunks given by a generator function.

Truth: the generator itself is traceable; the .item() in it is the break, in a callee of the loop, and the
frame of ChunkedScorer.forward is skipped.
"""
# summary graph_breaks=1 frames_skipped=1 recompiles=0 verdict=unhealthy exit=1
import torch
from torch import nn


class ChunkNet(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.net = nn.Linear(dim, dim)

    def forward(self, x):
        return torch.tanh(self.net(x)).sum(dim=1)


class ChunkedScorer(nn.Module):
    def __init__(self, dim=8, size=4):
        super().__init__()
        self.size = size
        self.net = ChunkNet(dim)

    def peak(self, x):
        return x.abs().amax().item()  # expect CD101 item

    def chunks(self, x):
        for start in range(0, x.shape[1], self.size):
            yield x[:, start : start + self.size]

    def forward(self, x):  # expect CD104 loop-break
        total = torch.zeros(x.shape[0], x.shape[2])
        for chunk in self.chunks(x):
            total = total + self.net(chunk) / (1.0 + self.peak(chunk))
        return total


def build_model():
    return ChunkedScorer().eval()


def example_inputs():
    return (torch.randn(2, 8, 8),)
