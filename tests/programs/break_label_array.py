"""A numpy array of strings chooses the activation."""

# requires numpy
# summary graph_breaks=1
# expect CD105 only-frame-skipped
# says CD101: NAMES = names.tolist()
# never CD101: torch.linalg
import numpy as np
import torch
from torch import nn

KINDS = np.array(["relu", "gelu"])


class Act(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(8, 8)

    def forward(self, x):  # expect CD104 skipped
        x = self.proj(x)
        if KINDS[0] == "relu":  # expect CD101 strings
            x = x.relu()
        return x


def build_model():
    return Act().eval()


def example_inputs():
    return (torch.randn(4, 8),)
