"""Cross-attention of a diffusion model by hand, in einsum: 4,096 pixels look at 77 words.

Truth: the products are bmm, between them a table of 4,096 by 77 for each head. It is larger than the inputs, and grows with
the pixels, not with their square.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 graphs=1 verdict=healthy exit=0
# says CD505: queries × keys
# says CD505: (batch, 1, 1, keys)
# backend inductor
import torch
from torch import nn


class Cross(nn.Module):
    def __init__(self, dim=64):
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(dim, dim) for _ in range(3))

    def forward(self, x, words):
        q, k, v = (
            f(t).unflatten(-1, (8, 8)).transpose(1, 2) for f, t in ((self.q, x), (self.k, words), (self.v, words))
        )
        scores = torch.einsum("bhid,bhjd->bhij", q, k) * 8**-0.5
        weights = scores.softmax(-1)  # expect CD505 by-hand
        return torch.einsum("bhij,bhjd->bhid", weights, v).transpose(1, 2).flatten(2)


def build_model():
    return Cross()


def example_inputs():
    return torch.randn(1, 4096, 64), torch.randn(1, 77, 64)
