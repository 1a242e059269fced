"""The softmax of attention has a term more below the line: a head may attend to nothing.

Truth: by hand; the term is a sink of score 0, which no key has.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# says CD505: Append a key and a value of zeros
# backend inductor
import torch
from torch import nn

torch.set_num_threads(1)


class Attention(nn.Module):
    def forward(self, q, k, v):
        scores = q @ k.mT / q.shape[-1] ** 0.5
        most = scores.amax(-1, keepdim=True).clamp(min=0)
        shares = torch.exp(scores - most)
        weights = shares / (shares.sum(-1, keepdim=True) + torch.exp(-most))  # expect CD505 sink
        return weights @ v


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 1024, 32) for _ in range(3))
