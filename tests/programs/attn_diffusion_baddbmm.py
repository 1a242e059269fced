"""The older processor of diffusers: heads in the batch, scores by baddbmm onto an empty tensor.

Truth: the scores of every head are a tensor of the graph.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0
# backend inductor
import torch
from torch import nn
torch.set_num_threads(1)

class Attention(nn.Module):
    def __init__(self, dim=64, heads=2):
        super().__init__()
        self.heads, self.scale = heads, (dim // heads) ** -0.5
        self.to_q, self.to_k, self.to_v = (nn.Linear(dim, dim, bias=False) for _ in range(3))

    def head_to_batch(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2).flatten(0, 1)

    def get_attention_scores(self, query, key):
        empty = torch.empty(query.shape[0], query.shape[1], key.shape[1], dtype=query.dtype, device=query.device)
        scores = torch.baddbmm(empty, query, key.transpose(-1, -2), beta=0, alpha=self.scale)
        return scores.softmax(dim=-1).to(query.dtype)  # expect CD505 by-hand

    def forward(self, x):
        query, key, value = (self.head_to_batch(proj(x)) for proj in (self.to_q, self.to_k, self.to_v))
        out = torch.bmm(self.get_attention_scores(query, key), value)
        return out.unflatten(0, (-1, self.heads)).transpose(1, 2).flatten(2)


def build_model():
    return Attention()


def example_inputs():
    return (torch.randn(1, 1024, 64),)
