"""Swin v2's attention over a whole image: cosine of queries and keys, times a learned temperature.

Truth: by hand, a tensor of scores for every head.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn
torch.set_num_threads(1)

class Attention(nn.Module):
    def __init__(self, dim=64, heads=2):
        super().__init__()
        self.heads = heads
        self.logit_scale = nn.Parameter(torch.log(10 * torch.ones(heads, 1, 1)))
        self.qkv = nn.Linear(dim, 3 * dim)

    def forward(self, x):
        batch, tokens, dim = x.shape
        q, k, v = self.qkv(x).reshape(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        attn = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1)
        attn = attn * torch.clamp(self.logit_scale, max=4.6052).exp()
        attn = F.softmax(attn, dim=-1)  # expect CD505 by-hand
        return (attn @ v).transpose(1, 2).reshape(batch, tokens, dim)


def build_model():
    return Attention()


def example_inputs():
    return (torch.randn(1, 1024, 64),)
