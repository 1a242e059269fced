"""Custom operator whose fake implementation refuses what the real one accepts.

Truth: eager works; under compile the shape function raises while Dynamo traces the call.
"""
# summary verdict=unhealthy exit=1
import torch
from torch import nn


@torch.library.custom_op("labelled::window_sum", mutates_args=())
def window_sum(x: torch.Tensor, width: int) -> torch.Tensor:
    return x.unfold(-1, width, width).sum(dim=-1)


@window_sum.register_fake
def _(x, width):
    if x.dim() != 2:
        raise RuntimeError(f"window_sum expects a matrix, got {x.dim()} dimensions")
    return x.new_empty(x.shape[0], x.shape[1] // width)


class WindowedEncoder(nn.Module):
    def __init__(self, dim=8, width=2):
        super().__init__()
        self.width = width
        self.up, self.down = nn.Linear(dim, dim), nn.Linear(dim // width, 3)

    def forward(self, x):
        hidden = torch.relu(self.up(x))
        pooled = torch.ops.labelled.window_sum(hidden, self.width)  # expect CD106 fake-raises
        return self.down(pooled)


def build_model():
    return WindowedEncoder().eval()


def example_inputs():
    return (torch.randn(2, 3, 8),)
