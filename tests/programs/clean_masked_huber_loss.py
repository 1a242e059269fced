"""Masked Huber loss with where-based branches and a data-dependent assert.

Clean: torch.where replaces `if`, and Dynamo turns `assert tensor, "constant"` into an
asynchronous assertion of the graph.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 frames_skipped=0 verdict=healthy exit=0
import torch
from torch import nn


class MaskedHuber(nn.Module):
    def __init__(self, delta=1.0, eps=1e-6):
        super().__init__()
        self.delta, self.eps = delta, eps
        self.log_scale = nn.Parameter(torch.zeros(()))

    def forward(self, prediction, target, valid):
        assert (valid >= 0).all(), "mask must not be negative"
        error = (prediction - target) * self.log_scale.exp()
        size = error.abs()
        quadratic = 0.5 * error.square()
        linear = self.delta * (size - 0.5 * self.delta)
        loss = torch.where(size <= self.delta, quadratic, linear)
        loss = torch.where(valid.bool(), loss, torch.zeros_like(loss))
        count = valid.sum().clamp(min=1.0)
        total = loss.sum() / (count + self.eps)
        return torch.where(torch.isfinite(total), total, torch.zeros_like(total))


def build_model():
    return MaskedHuber()


def example_inputs():
    return (torch.randn(4, 5), torch.randn(4, 5), (torch.rand(4, 5) > 0.3).float())
