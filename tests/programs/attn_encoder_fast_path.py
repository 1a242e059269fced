"""A text encoder of nn.TransformerEncoder in eval mode.

Truth: torch takes its fast path, one operator for each layer, which keeps the scores on a CPU.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 verdict=healthy exit=0
# backend inductor
# says CD505: set_fastpath_enabled(False)
import torch
from torch import nn


class TextEncoder(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, x):
        return self.encoder(x * 2)  # expect CD505 fast-path


def build_model():
    return TextEncoder().eval()


def example_inputs():
    return (torch.randn(1, 768, 32),)
