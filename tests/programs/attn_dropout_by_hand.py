"""nanoGPT's slow attention in a training step: a causal buffer, softmax, dropout of the weights.

Truth: bmm, softmax, bmm: a table of scores for each head. On a CPU SDPA with dropout_p keeps it as well: its math backend runs.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# says CD505: leave out the dropout of the weights too
# option --grad
# backend inductor
import math

import torch
import torch.nn.functional as F
from torch import nn


class CausalSelfAttention(nn.Module):
    def __init__(self, width=64, heads=4, block=512):
        super().__init__()
        self.heads = heads
        self.c_attn, self.c_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.attn_dropout = nn.Dropout(0.1)
        self.register_buffer("bias", torch.tril(torch.ones(block, block)).view(1, 1, block, block))

    def forward(self, x):
        _, tokens, width = x.size()
        q, k, v = (
            t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in self.c_attn(x).split(width, dim=2)
        )
        att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
        att = att.masked_fill(self.bias[:, :, :tokens, :tokens] == 0, float("-inf"))
        att = F.softmax(att, dim=-1)  # expect CD505 by-hand
        att = self.attn_dropout(att)
        return self.c_proj((att @ v).transpose(1, 2).flatten(2))


def build_model():
    return CausalSelfAttention()


def example_inputs():
    return (torch.randn(1, 512, 64),)
