"""The mean over valid positions, by a boolean index."""

# summary graph_breaks=1 verdict=unhealthy exit=1
# says CD101: torch.where(valid, losses, 0).sum() / valid.sum()
import torch
from torch import nn


class MaskedLoss(nn.Module):
    def forward(self, prediction, target, valid):
        losses = (prediction - target).square()
        return losses[valid].mean()  # expect CD101 mask


def build_model():
    return MaskedLoss().eval()


def example_inputs():
    return torch.randn(4, 8), torch.randn(4, 8), torch.arange(32).reshape(4, 8) % 3 > 0
