"""Update step which rescales when the norm is too large: an `if` and a ternary on tensors.

Truth: two separate data-dependent jumps in straight-line code, each splits the frame once.
"""
# summary graph_breaks=2 recompiles=0 frames_skipped=0 verdict=unhealthy exit=1
import torch
from torch import nn


class ClippedUpdate(nn.Module):
    def __init__(self, dim=8, max_norm=0.5):
        super().__init__()
        self.max_norm = max_norm
        self.weight = nn.Parameter(torch.randn(dim, dim))

    def forward(self, grad, momentum):
        velocity = 0.9 * momentum + grad
        norm = velocity.norm()
        if norm > self.max_norm:  # expect CD102 if-norm
            velocity = velocity * (self.max_norm / norm)
        update = self.weight - 0.1 * velocity
        drift = (update - self.weight).abs().mean()
        rate = 0.5 if drift > 0.01 else 1.0  # expect CD102 ternary
        return self.weight + rate * (update - self.weight)


def build_model():
    return ClippedUpdate()


def example_inputs():
    return (torch.randn(8, 8), torch.randn(8, 8))
