"""The query is also the key: the same tensor twice for an autograd.Function, in a submodule, with a scale between."""

# option --grad
# summary graph_breaks=1 verdict=unhealthy exit=1 [>=2.13]
# summary graph_breaks=0 exit=0 [<2.13]
# says CD101: Bilinear.apply(tokens, 0.5, tokens.clone()) [>=2.13]
import torch
from torch import nn


class Bilinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx, a, scale, b):
        ctx.save_for_backward(a, b)
        ctx.scale = scale
        return a @ b.transpose(-1, -2) * scale

    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        return g @ b * ctx.scale, None, g.transpose(-1, -2) @ a * ctx.scale


class Affinity(nn.Module):
    def forward(self, tokens):
        return Bilinear.apply(tokens, 0.5, tokens)  # expect CD101 duplicate [>=2.13]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(8, 8)
        self.affinity = Affinity()

    def forward(self, x):
        return self.affinity(self.proj(x)).softmax(-1)


def build_model():
    return Net()


def example_inputs():
    return (torch.randn(2, 5, 8),)
