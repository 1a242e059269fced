"""Talking heads: the scores of all heads are mixed by a small matrix before the softmax, and the weights after it.

Truth: by hand, four tables of scores.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0
# backend inductor
# says CD505: No fused kernel of torch combines heads
import torch
from torch import nn
torch.set_num_threads(1)

class Attention(nn.Module):
    def __init__(self, heads=2):
        super().__init__()
        self.before, self.after = nn.Parameter(torch.eye(heads)), nn.Parameter(torch.eye(heads))

    def forward(self, q, k, v):
        dots = torch.einsum("bhid,bhjd->bhij", q, k) * q.shape[-1] ** -0.5
        dots = torch.einsum("bhij,hg->bgij", dots, self.before)
        attn = dots.softmax(dim=-1)  # expect CD505 by-hand
        attn = torch.einsum("bhij,hg->bgij", attn, self.after)
        return torch.einsum("bhij,bhjd->bhid", attn, v)


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 1024, 32) for _ in range(3))
