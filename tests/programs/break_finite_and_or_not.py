"""Loss scaler: `not`, and `and` with a tensor operand, decide whether a step is skipped.

Truth: `not tensor` and the tensor left of `and` each need the value as a Python bool.
"""
# summary graph_breaks=2 recompiles=0 frames_skipped=0 verdict=unhealthy exit=1
import torch
from torch import nn


class LossScaler(nn.Module):
    def __init__(self, enabled=True):
        super().__init__()
        self.enabled = enabled
        self.net = nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Linear(12, 1))
        self.register_buffer("scale", torch.tensor(8.0))

    def forward(self, x, target):
        loss = (self.net(x) - target).square().mean() * self.scale
        finite = torch.isfinite(loss)
        if not finite:  # expect CD102 not-tensor
            return loss * 0.0, self.scale * 0.5
        large = loss.abs() > 100.0
        if large and self.enabled:  # expect CD102 and-tensor
            return loss, self.scale * 0.5
        return loss / self.scale, self.scale * 2.0


def build_model():
    return LossScaler().eval()


def example_inputs():
    return (torch.randn(4, 6), torch.randn(4, 1))
