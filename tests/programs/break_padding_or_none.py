"""Whether a padding mask is needed is decided by a tensor, in an `or`, after some work of the model."""

# summary graph_breaks=1 exit=1
# says CD102: ragged = self.always | (lengths < x.shape[1]).any()
import torch
from torch import nn


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(8, 8)
        self.always = False

    def forward(self, x, lengths):
        x = self.proj(x)
        ragged = self.always or bool((lengths < x.shape[1]).any())  # expect CD102 bool
        keep = torch.arange(x.shape[1])[None] < lengths[:, None]
        return x * keep[..., None] if ragged else x


def build_model():
    return Encoder()


def example_inputs():
    return torch.randn(2, 6, 8), torch.tensor([6, 4])
