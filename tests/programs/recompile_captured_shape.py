"""Decoding step against a cache of full size, whose score_mod captures a table of biases as long as the text so far.

Truth: a captured tensor is an input of the graph, and its shape is guarded: with static shapes each length compiles
the frame again, although no argument changes its shape.
"""
# summary graph_breaks=0 recompiles=3 graphs=4 frames_skipped=0 exit=0
# option --no-dynamic
import torch
from torch import nn

CAPACITY, DIM = 12, 8


class CachedAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.out = nn.Linear(DIM, DIM), nn.Linear(DIM, DIM)

    def forward(
        self,
        token,
        cache,
        score_mod,
    ):
        scores = self.query(token) @ cache.transpose(-2, -1) / DIM**0.5
        scores = score_mod(scores)  # expect CD204 captured-shape
        return self.out(scores.softmax(dim=-1) @ cache)


def alibi(length, slope=0.5):
    bias = slope * torch.arange(length - 1, -1, -1)

    def score_mod(scores):
        filled = scores[..., : bias.shape[0]] - bias
        return nn.functional.pad(filled, (0, scores.shape[-1] - bias.shape[0]), value=float("-inf"))

    return score_mod


def build_model():
    return CachedAttention().eval()


def example_input_sets():
    token, cache = torch.randn(1, 1, DIM), torch.randn(1, CAPACITY, DIM)
    return [(token, cache, alibi(length)) for length in (4, 5, 6, 7)]
