"""A custom operator without a fake implementation."""

# summary graph_breaks=1 verdict=unhealthy exit=1
# says CD101: register_fake("doctor_programs::double")
import torch
from torch import nn

LIBRARY = torch.library.Library("doctor_programs", "FRAGMENT")
LIBRARY.define("double(Tensor x) -> Tensor")
LIBRARY.impl("double", lambda x: x * 2, "CPU")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(8, 8)

    def forward(self, x):
        h = self.proj(x)
        return torch.ops.doctor_programs.double(h) + 1  # expect CD101 no-meta


def build_model():
    return Net().eval()


def example_inputs():
    return (torch.randn(4, 8),)
