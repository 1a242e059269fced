"""Conv net with a monitoring forward hook, and a callable object as activation.

Truth: the hook prints a tensor (line in Monitor.__call__); the callable activation keeps its maximum as
a Python float.
"""
# summary graph_breaks=2 recompiles=0 verdict=unhealthy exit=1
import torch
from torch import nn


class Monitor:
    def __call__(self, module, args, output):
        print("conv output", output.std())  # expect CD101 print


class ClippedActivation:
    def __init__(self, limit):
        self.limit, self.seen = limit, 0.0

    def __call__(self, x):
        self.seen = float(x.amax())  # expect CD101 item
        return x.clamp(-self.limit, self.limit)


class SmallConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.conv.register_forward_hook(Monitor())
        self.activation = ClippedActivation(2.0)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        x = self.conv(x)
        x = self.activation(x)
        return self.head(x.mean(dim=(2, 3)))


def build_model():
    return SmallConvNet().eval()


def example_inputs():
    return (torch.randn(2, 3, 6, 6),)
