"""SDPA in the forward of a torch.autograd.Function, without gradients.

Truth: Dynamo traces the forward; flash.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(1)


class Attend(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q, k, v):
        ctx.save_for_backward(q, k, v)
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)  # attention fused

    @staticmethod
    def backward(ctx, gradient):
        return gradient, gradient, gradient


class Attention(nn.Module):
    def forward(self, q, k, v):
        return Attend.apply(q * 2, k, v)


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 1024, 32) for _ in range(3))
