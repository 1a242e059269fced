"""Attention that gets a score modifier as an argument, a fresh closure over a number per call.

Truth: the closure's cell is guarded by value; each slope is a new number in a new function object.
"""
# summary graph_breaks=0 recompiles=2 graphs=3 frames_skipped=0 exit=0
import torch
from torch import nn


class ScoredAttention(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, score_mod):
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
        scores = score_mod(scores)  # expect CD204 new-closure
        return self.out(scores.softmax(dim=-1) @ v)


def alibi(slope):
    def score_mod(scores):
        position = torch.arange(scores.shape[-1])
        distance = (position[:, None] - position[None]).abs()
        if slope == "none":
            return scores
        return scores - {"mild": 0.1, "steep": 0.5}[slope] * distance

    return score_mod


def build_model():
    return ScoredAttention().eval()


def example_input_sets():
    x = torch.randn(2, 4, 8)
    return [(x, alibi(slope)) for slope in ("none", "mild", "steep")]
