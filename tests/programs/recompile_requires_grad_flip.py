"""Adversarial-training network called with plain inputs, then with inputs that require grad.

Truth: requires_grad of an input tensor is guarded.
"""
# summary graph_breaks=0 recompiles=1 graphs=2 frames_skipped=0 exit=0
# option --grad
import torch
from torch import nn


class RobustNet(nn.Module):
    def __init__(self, dim=8, classes=3):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(dim, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU())
        self.head = nn.Linear(16, classes)

    def forward(self, x):  # expect CD201 requires-grad
        hidden = self.body(x)
        logits = self.head(hidden)
        return logits.log_softmax(dim=-1), hidden.square().mean()


def build_model():
    return RobustNet().train()


def example_input_sets():
    clean = torch.randn(4, 8)
    return [(clean,), (clean.clone().requires_grad_(True),)]
