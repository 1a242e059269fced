"""Model with a part its author compiled too, with no options of its own.

Clean: the outer torch.compile inlines the inner one into the same graph, and nothing is lost.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 frames_skipped=0 verdict=healthy exit=0
import torch
from torch import nn


@torch.compile
def gated_residual(x, update, gate):
    return x + torch.sigmoid(gate) * torch.tanh(update)


class GatedMLP(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.update, self.gate = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def forward(self, x):
        y = self.norm(x)
        return gated_residual(x, self.update(y), self.gate(y))


def build_model():
    return GatedMLP().eval()


def example_inputs():
    return (torch.randn(2, 8),)
