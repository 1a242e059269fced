"""Mixture of experts with dense dispatch: top-k routing through one_hot and einsum.

Clean: each expert sees every token, weighted by the gate; nothing depends on values.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 frames_skipped=0 verdict=healthy exit=0
import torch
import torch.nn.functional as F
from torch import nn


class DenseMoE(nn.Module):
    def __init__(self, dim=16, experts=4, top_k=2):
        super().__init__()
        self.experts, self.top_k = experts, top_k
        self.gate = nn.Linear(dim, experts, bias=False)
        self.up = nn.Parameter(torch.randn(experts, dim, 32) * 0.1)
        self.down = nn.Parameter(torch.randn(experts, 32, dim) * 0.1)

    def forward(self, x):
        scores = self.gate(x).softmax(dim=-1)
        weight, index = scores.topk(self.top_k, dim=-1)
        weight = weight / weight.sum(dim=-1, keepdim=True)
        gates = (F.one_hot(index, self.experts).to(x.dtype) * weight.unsqueeze(-1)).sum(dim=-2)
        hidden = F.silu(torch.einsum("bsd,edh->bseh", x, self.up))
        out = torch.einsum("bseh,ehd->bsed", hidden, self.down)
        balance = self.experts * (scores.mean((0, 1)) * gates.mean((0, 1))).sum()
        return torch.einsum("bse,bsed->bsd", gates, out), balance


def build_model():
    return DenseMoE().eval()


def example_inputs():
    return (torch.randn(2, 6, 16),)
