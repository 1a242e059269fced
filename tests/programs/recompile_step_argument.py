"""Learning-rate-warmed update that takes the global step as a Python int.

Truth: an int argument is specialised at first and dynamic from the second value on: one
recompilation, wherever the step goes afterwards.
"""
# summary graph_breaks=0 recompiles=1 graphs=2 frames_skipped=0 exit=0
import torch
from torch import nn


class WarmupUpdate(nn.Module):
    def __init__(self, dim=6, warmup=100):
        super().__init__()
        self.warmup = warmup
        self.weight = nn.Parameter(torch.randn(dim, dim))

    def forward(self, grad, step):
        direction = grad / (grad.norm() + 1e-6)
        rate = 0.1 * step / self.warmup  # expect CD201 int-argument
        decayed = self.weight * 0.99
        return decayed - rate * direction


def build_model():
    return WarmupUpdate()


def example_input_sets():
    return [(torch.randn(6, 6), step) for step in (3, 4, 5, 6)]
