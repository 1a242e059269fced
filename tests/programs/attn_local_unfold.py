"""Longformer-like attention: each query sees a window of 33 keys, which unfold takes from the padded sequence.

Truth: scores of tokens times 33, less than the unfolded keys: they grow with the tokens, not with their square.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn
torch.set_num_threads(1)

class Attention(nn.Module):
    def __init__(self, reach=16):
        super().__init__()
        self.reach = reach

    def windows(self, x):
        return F.pad(x, (0, 0, self.reach, self.reach)).unfold(2, 2 * self.reach + 1, 1)

    def forward(self, q, k, v):
        scores = q.unsqueeze(-2) @ self.windows(k) * q.shape[-1] ** -0.5
        weights = scores.softmax(dim=-1)
        return (weights @ self.windows(v).transpose(-1, -2)).squeeze(-2)


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 1024, 32) for _ in range(3))
