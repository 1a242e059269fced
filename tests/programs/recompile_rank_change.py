"""Pooling head called with batches of tokens (3-d) and with single images (4-d).

Truth: the rank of a tensor is guarded and never dynamic.
"""
# summary graph_breaks=0 recompiles=1 graphs=2 frames_skipped=0 exit=0
import torch
from torch import nn


class PoolHead(nn.Module):
    def __init__(self, dim=8, classes=3):
        super().__init__()
        self.norm, self.head = nn.LayerNorm(dim), nn.Linear(dim, classes)

    def forward(self, features):  # expect CD201 rank
        if features.dim() == 4:
            features = features.flatten(2).transpose(1, 2)
        pooled = self.norm(features).mean(dim=1)
        return self.head(pooled).softmax(dim=-1)


def build_model():
    return PoolHead().eval()


def example_input_sets():
    return [(torch.randn(2, 5, 8),), (torch.randn(2, 8, 3, 3),)]
