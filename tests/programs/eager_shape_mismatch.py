"""Classifier whose head does not fit its backbone.

Truth: the matrix product fails without torch.compile as well: nothing to diagnose.
"""
# summary verdict=inconclusive exit=3
# expect CD002 shape-mismatch
import torch
from torch import nn


class MismatchedClassifier(nn.Module):
    def __init__(self, dim=8, classes=3):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(dim, 16), nn.ReLU(), nn.Linear(16, 12))
        self.head = nn.Linear(16, classes)

    def forward(self, x):
        features = self.backbone(x)
        if features.mean() > 0:
            features = features * 2
        return self.head(features)


def build_model():
    return MismatchedClassifier().eval()


def example_inputs():
    return (torch.randn(4, 8),)
