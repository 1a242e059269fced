"""MLP-mixer block called with three batch sizes, dynamic shapes left to Dynamo.

Truth: the first size is static; the second compiles once more, with a dynamic batch, and the third
reuses that graph.
"""
# summary graph_breaks=0 recompiles=1 graphs=2 frames_skipped=0 exit=0
import torch
from torch import nn


class MixerBlock(nn.Module):
    def __init__(self, tokens=6, dim=8):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.token_mix = nn.Sequential(nn.Linear(tokens, 12), nn.GELU(), nn.Linear(12, tokens))
        self.channel_mix = nn.Sequential(nn.Linear(dim, 16), nn.GELU(), nn.Linear(16, dim))

    def forward(self, x):  # expect CD201 batch-size
        x = x + self.token_mix(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.channel_mix(self.norm2(x))


def build_model():
    return MixerBlock().eval()


def example_input_sets():
    return [(torch.randn(size, 6, 8),) for size in (2, 4, 7)]
