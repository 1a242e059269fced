"""Attention with an online softmax over blocks of 128 keys, in plain PyTorch.

Truth: no table of all scores exists: a block of 1,024 by 128 at a time.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
from torch import nn

torch.set_num_threads(1)


class Attention(nn.Module):
    def forward(self, q, k, v):
        top = q.new_full((*q.shape[:-1], 1), float("-inf"))
        total, out = torch.zeros_like(top), torch.zeros_like(q)
        for keys, values in zip(k.split(128, 2), v.split(128, 2)):
            scores = q @ keys.transpose(-2, -1) * 32**-0.5
            new = torch.maximum(top, scores.amax(-1, keepdim=True))
            weights, old = torch.exp(scores - new), torch.exp(top - new)
            total, out, top = total * old + weights.sum(-1, keepdim=True), out * old + weights @ values, new
        return out / total


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 1024, 32) for _ in range(3))
