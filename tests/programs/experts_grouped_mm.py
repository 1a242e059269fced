"""Experts whose tokens are sorted by expert, multiplied by grouped_mm.

Truth: one graph. torch has a kernel for CPUs from 2.9 on; 2.8 raises NotImplementedError in eager mode, too.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0
import torch
from torch import nn


class Experts(nn.Module):
    def __init__(self, experts=4, dim=32, hidden=48):
        super().__init__()
        self.up = nn.Parameter(torch.randn(experts, dim, hidden) * 0.1)
        self.down = nn.Parameter(torch.randn(experts, hidden, dim) * 0.1)

    def forward(self, x, ends):
        hidden = torch._grouped_mm(x, self.up, offs=ends)  # expect CD002 no-kernel [<2.9]
        return torch._grouped_mm(torch.relu(hidden), self.down, offs=ends)


def build_model():
    return Experts().to(torch.bfloat16)


def example_inputs():
    return torch.randn(64, 32, dtype=torch.bfloat16), torch.tensor([16, 20, 48, 64], dtype=torch.int32)


# summary verdict=healthy exit=0 [>=2.9]
# summary exit=3 [<2.9]
