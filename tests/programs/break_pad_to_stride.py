"""A buffer among the paddings: torch reads its value inside of F.pad, and the line to change is the one that calls it."""

# summary graph_breaks=1 verdict=unhealthy exit=1
# says CD101: self.stride = 3
# never CD101: config.capture
import torch


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("stride", torch.tensor(3))

    def forward(self, x):
        x = x * 2
        extra = self.stride - x.shape[-1] % 3
        return torch.nn.functional.pad(x, (0, extra))  # expect CD101 padding


def build_model():
    return Net().eval()


def example_inputs():
    return (torch.randn(1, 4),)
