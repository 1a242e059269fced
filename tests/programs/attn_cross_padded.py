"""A decoder's cross-attention by hand: 256 queries, 2,048 keys, of which some are padding.

Truth: Inductor's pattern matcher replaces it. The generated code calls the flash kernel, whose node is named after what makes
its inputs (views, casts), not after the products that it replaced. No allocation is as large as the scores.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(1)


class Cross(nn.Module):
    def __init__(self, dim=32, heads=2):
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v = (nn.Linear(dim, dim) for _ in range(3))

    def split(self, x):
        return x.view(x.shape[0], -1, self.heads, x.shape[-1] // self.heads).transpose(1, 2)

    def forward(self, x, memory, padding):
        q, k, v = self.split(self.q(x)), self.split(self.k(memory)), self.split(self.v(memory))
        scores = torch.matmul(q, k.transpose(-2, -1)) / q.shape[-1] ** 0.5
        scores = scores + padding[:, None, None, :].float() * -1e9
        weights = F.softmax(scores, dim=-1)
        return torch.matmul(weights, v).transpose(1, 2).reshape(x.shape)


def build_model():
    return Cross()


def example_inputs():
    return torch.randn(1, 256, 32), torch.randn(1, 2048, 32), torch.arange(2048)[None] >= 1900
