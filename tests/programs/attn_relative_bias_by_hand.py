"""T5's attention: a bias by distance is added to the scores of every head.

Truth: the scores and the bias are tensors of the graph.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(1)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.bias = nn.Embedding(32, 2)

    def forward(self, q, k, v):
        at = torch.arange(q.shape[2])
        bias = self.bias((at[:, None] - at[None, :]).abs().clamp(max=31)).permute(2, 0, 1)
        scores = torch.matmul(q, k.transpose(3, 2)) + bias
        weights = F.softmax(scores.float(), dim=-1).type_as(scores)  # expect CD505 by-hand
        return torch.matmul(weights, v)


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 1024, 32) for _ in range(3))
