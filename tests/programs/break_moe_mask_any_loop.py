"""Mixture of experts that skips experts nobody was routed to.

Truth: `if mask.any()` is Python control flow on a tensor value (CD102), it lies in the loop over
the experts, so Dynamo cannot resume there and skips SparseMoE.forward (CD104).
"""
# summary graph_breaks=1 frames_skipped=1 recompiles=0 verdict=unhealthy exit=1
import torch
from torch import nn


class Expert(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.up, self.down = nn.Linear(dim, hidden), nn.Linear(hidden, dim)

    def forward(self, x):
        return self.down(torch.nn.functional.silu(self.up(x)))


class SparseMoE(nn.Module):
    def __init__(self, dim=8, experts=4):
        super().__init__()
        self.router = nn.Linear(dim, experts)
        self.experts = nn.ModuleList(Expert(dim, 16) for _ in range(experts))

    def forward(self, x):  # expect CD104 loop-break
        weight, choice = self.router(x).softmax(dim=-1).max(dim=-1)
        out = torch.zeros_like(x)
        for index, expert in enumerate(self.experts):
            mask = choice == index
            if mask.any():  # expect CD102 if-mask-any
                out = out + torch.where(mask[..., None], expert(x) * weight[..., None], 0.0)
        return out


def build_model():
    return SparseMoE().eval()


def example_inputs():
    return (torch.randn(2, 6, 8),)
