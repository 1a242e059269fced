"""Tokens per expert by bincount, then as a list for split (prime-rl#996)."""

# summary graph_breaks=2 verdict=unhealthy exit=1 [>=2.10]
# summary graph_breaks=1 verdict=unhealthy exit=1 [<2.10]
# never CD101: x * x.sum()
import torch
from torch import nn


class Experts(nn.Module):
    def __init__(self, n=4, d=8):
        super().__init__()
        self.w = nn.Parameter(torch.randn(n, d, d))

    def forward(self, x, counts):
        sizes = counts.tolist()  # expect CD101 tolist [>=2.10]
        parts = torch.split(x, sizes, dim=0)
        out = [p @ self.w[i] for i, p in enumerate(parts)]
        return torch.cat(out, 0)


class MoE(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(8, 4)
        self.experts = Experts()

    def forward(self, x):
        which = self.gate(x).argmax(-1)
        counts = torch.bincount(which, minlength=4)  # expect CD101 bincount
        order = torch.argsort(which)
        return self.experts(x[order], counts)


def build_model():
    return MoE()


def example_inputs():
    return (torch.randn(32, 8),)
