"""Attention weights checked by an assert whose message shows the values.

Truth: with a message that is not a constant Dynamo cannot make an asynchronous assertion of it,
so the assert is a branch on a tensor value. (clean_masked_huber_loss has the harmless form.)
"""
# summary graph_breaks=1 recompiles=0 frames_skipped=0 verdict=unhealthy exit=1
import torch
from torch import nn


class CheckedPooling(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.score, self.value = nn.Linear(dim, 1), nn.Linear(dim, dim)

    def forward(self, x):
        weight = self.score(x).softmax(dim=1)
        total = weight.sum(dim=1)
        assert (total > 0.99).all(), f"weights sum to {total}"  # expect CD102 assert-message
        pooled = (weight * self.value(x)).sum(dim=1)
        return torch.tanh(pooled)


def build_model():
    return CheckedPooling().eval()


def example_inputs():
    return (torch.randn(3, 5, 8),)
