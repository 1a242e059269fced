"""MultiheadAttention whose weights go into a loss, and attention written by hand with a causal mask and a soft cap.

Truth: neither is a call of SDPA, both keep a table of scores, and the pattern matcher replaces neither.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 verdict=healthy exit=0
# backend inductor
# says CD505: need_weights=False
# says CD505: scaled_dot_product_attention(q, k, v), with is_causal=True
import torch
from torch import nn


class Scored(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.mix = nn.MultiheadAttention(width, 4, batch_first=True)
        self.project = nn.Linear(width, 3 * width)

    def forward(self, x):
        y, weights = self.mix(x, x, x)  # expect CD505 weights
        q, k, v = self.project(y).unflatten(-1, (3, 4, 8)).permute(2, 0, 3, 1, 4)
        scores = torch.tanh(q @ k.transpose(-2, -1) / 8) * 8
        scores = scores.masked_fill(torch.ones_like(scores, dtype=torch.bool).triu(1), float("-inf"))
        return scores.softmax(dim=-1) @ v, weights.square().mean()  # expect CD505 by-hand


def build_model():
    return Scored().train()


def example_inputs():
    return (torch.randn(1, 512, 32),)
