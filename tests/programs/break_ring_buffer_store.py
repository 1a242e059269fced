"""Ring buffer whose write position is a tensor, in the slice of an assignment inside an `if`.

Truth: Dynamo cannot resume inside the assignment. What comes before it is compiled; the assignment and the lines after the
`if` run in plain Python.
"""
# summary graph_breaks=1 recompiles=0 graphs=1 frames_skipped=1 verdict=unhealthy exit=1
# says CD104: lines 24 to 26 [>=2.10]
import torch
from torch import nn


class RingBuffer(nn.Module):
    def __init__(self, width=6, slots=4):
        super().__init__()
        self.encode = nn.Linear(width, width)
        self.decode = nn.Linear(width, 1)
        self.writing = True
        self.register_buffer("ring", torch.zeros(slots, width))
        self.register_buffer("head", torch.tensor(2))

    def forward(self, x):  # expect CD104 rest-from-the-store; expect CD101 unrecorded-line [<2.10]
        code = torch.tanh(self.encode(x))
        if self.writing:
            self.ring[self.head : self.head + 1] = code.mean(0)  # expect CD101 tensor-bound [>=2.10]
        pooled = self.ring.mean(0)
        return self.decode(code + pooled)


def build_model():
    return RingBuffer().eval()


def example_inputs():
    return (torch.randn(3, 6),)
