"""A histogram of token ids with bincount as a method, divided by its sum."""

# summary graph_breaks=1 verdict=unhealthy exit=1
# says CD101: torch.zeros(32, dtype=torch.long, device=ids.device).scatter_add_(0, ids, torch.ones_like(ids))
# never CD101: Some operators
import torch
from torch import nn


class Frequencies(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(32, 8)

    def forward(self, ids):
        count = ids.bincount(minlength=32)  # expect CD101 bincount
        weight = count[ids] / count.sum()
        return self.embed(ids) * weight[:, None]


def build_model():
    return Frequencies()


def example_inputs():
    return (torch.randint(0, 32, (20,)),)
