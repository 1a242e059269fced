"""Vector quantiser with a straight-through estimator as a custom autograd.Function.

Clean: Dynamo traces forward and backward of an autograd.Function.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 frames_skipped=0 verdict=healthy exit=0
# option --grad
import torch
from torch import nn


class NearestCode(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, codebook):
        distance = (x.unsqueeze(-2) - codebook).square().sum(-1)
        index = distance.argmin(dim=-1)
        ctx.save_for_backward(index)
        ctx.codes = codebook.shape[0]
        return codebook[index]

    @staticmethod
    def backward(ctx, grad):
        (index,) = ctx.saved_tensors
        flat = grad.reshape(-1, grad.shape[-1])
        code_grad = grad.new_zeros(ctx.codes, grad.shape[-1]).index_add(0, index.reshape(-1), flat)
        return grad, code_grad


class Quantizer(nn.Module):
    def __init__(self, codes=8, dim=4):
        super().__init__()
        self.codebook = nn.Parameter(torch.randn(codes, dim))
        self.encode, self.decode = nn.Linear(6, dim), nn.Linear(dim, 6)

    def forward(self, x):
        z = self.encode(x)
        quantised = NearestCode.apply(z, self.codebook)
        return self.decode(quantised), (z - quantised.detach()).square().mean()


def build_model():
    return Quantizer()


def example_inputs():
    return (torch.randn(5, 6),)
