"""The best expert of a ModuleList, by the number of an argmax."""

# summary graph_breaks=1 verdict=unhealthy exit=1
# says CD101: torch.stack([each(x) for each in self.experts])[best.reshape(1)][0]
# never CD101: config.capture
import torch
from torch import nn


class Route(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(8, 3)
        self.experts = nn.ModuleList([nn.Linear(8, 8) for _ in range(3)])

    def forward(self, x):
        best = self.gate(x).mean(0).argmax()
        return self.experts[best.item()](x)  # expect CD101 item


def build_model():
    return Route().eval()


def example_inputs():
    return (torch.randn(4, 8),)
