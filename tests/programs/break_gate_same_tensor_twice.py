"""One tensor is given for both inputs of an autograd.Function, which Dynamo does not trace (pytorch#183604)."""

# option --grad
# summary graph_breaks=1 verdict=unhealthy exit=1 [>=2.13]
# summary graph_breaks=0 exit=0 [<2.13]
# says CD101: Gate.apply(h, h.clone()) [>=2.13]
# never CD101: jvp
import torch
from torch import nn


class Gate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, u, v):
        ctx.save_for_backward(u, v)
        return u * v + u + v

    @staticmethod
    def backward(ctx, g):
        u, v = ctx.saved_tensors
        return g * (v + 1), g * (u + 1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.ones(6))

    def forward(self, x):
        h = x * self.w
        return Gate.apply(h, h).sum()  # expect CD101 duplicate [>=2.13]


def build_model():
    return Net()


def example_inputs():
    return (torch.randn(6),)
