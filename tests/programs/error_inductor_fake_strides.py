"""Custom operator whose fake implementation promises another layout than the kernel returns.

Truth: eager works. Inductor generates code for the promised strides and its size/stride assertion
(on by default) raises when the compiled code runs.
"""
# summary verdict=unhealthy exit=1
# backend inductor
# expect CD106 wrong-strides
import torch
from torch import nn


@torch.library.custom_op("labelled::transpose_gate", mutates_args=())
def transpose_gate(x: torch.Tensor) -> torch.Tensor:
    return torch.sigmoid(x).transpose(-1, -2).contiguous().transpose(-1, -2)


@transpose_gate.register_fake
def _(x):
    return torch.empty_like(x)


class GatedBlock(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.value, self.gate = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def forward(self, x):
        gate = torch.ops.labelled.transpose_gate(self.gate(x))
        return torch.relu(self.value(x)) * gate + 1.0


def build_model():
    return GatedBlock().eval()


def example_inputs():
    return (torch.randn(2, 4, 8),)
