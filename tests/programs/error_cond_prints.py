"""torch.cond with a branch that prints.

Truth: an operator that takes functions has no plain Python to fall back to, so a break inside raises: the reason is print.
"""
# summary verdict=unhealthy exit=1
# says CD106: `torch.cond` takes only functions [>=2.11]
# says CD106: `print` must run at its place
# never CD106: Got graph break/error
import torch
from torch import nn


class Gate(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(8, 8)

    def forward(self, x):
        def hot(v):
            print("hot")  # expect CD106 cond-print [>=2.9]
            return v.relu()

        def cold(v):
            return v.sigmoid()

        return torch.cond(x.sum() > 0, hot, cold, (self.proj(x),))  # expect CD106 cond-print [<2.9]


def build_model():
    return Gate().eval()


def example_inputs():
    return (torch.randn(4, 8),)
