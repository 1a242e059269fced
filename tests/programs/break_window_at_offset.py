"""A window of fixed length, at an offset that is read from a tensor."""

# summary graph_breaks=1 verdict=unhealthy exit=1
# says CD101: window = x[:, start + torch.arange(4, device=x.device)]    # line 18
# never CD101: config.capture
import torch
from torch import nn


class Window(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(8, 8)

    def forward(self, x, offset):
        x = self.proj(x)
        start = offset.item()  # expect CD101 item
        window = x[:, start : start + 4]
        return window.mean(1)


def build_model():
    return Window().eval()


def example_inputs():
    return torch.randn(2, 9, 8), torch.tensor(3)
