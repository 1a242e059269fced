"""Transformer-XL's attention: scores of content plus scores of position, which are shifted by a padded view.

Truth: by hand, a tensor of scores for every head.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn
torch.set_num_threads(1)

def rel_shift(x):
    batch, heads, rows, columns = x.shape
    padded = F.pad(x, (1, 0)).view(batch, heads, columns + 1, rows)
    return padded[:, :, 1:].reshape(batch, heads, rows, columns)


class Attention(nn.Module):
    def __init__(self, heads=2, width=32):
        super().__init__()
        self.u, self.v = (nn.Parameter(torch.zeros(heads, 1, width)) for _ in range(2))

    def forward(self, q, k, value, positions):
        content = (q + self.u) @ k.transpose(-1, -2)
        position = rel_shift((q + self.v) @ positions.transpose(-1, -2))
        scores = (content + position) * q.shape[-1] ** -0.5
        return scores.softmax(-1) @ value  # expect CD505 by-hand


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 1024, 32) for _ in range(4))
