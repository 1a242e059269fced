"""A text encoder of nn.TransformerEncoder in eval mode, with padding, and a projection behind it.

Truth: eager fills the padding with zeros, by nested tensors, which break the graph up to torch 2.9; from 2.10 on compiled code has none, and differs in the padding.
"""
# recorded [>=2.8]
# summary recompiles=0 graphs=1 verdict=unhealthy exit=1
# backend inductor
# says CD601: enable_nested_tensor=False [>=2.10]
# says CD101: enable_nested_tensor=False [<2.10]
# expect CD601 nested-tensors [>=2.10]
import torch
from torch import nn

torch.set_num_threads(1)


class TextEncoder(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, batch_first=True)
        self.encoder, self.out = nn.TransformerEncoder(layer, 2), nn.Linear(width, width)

    def forward(self, x, padding):
        return self.out(self.encoder(x, src_key_padding_mask=padding))  # expect CD505 fast-path [>=2.10]; expect CD101 nested [<2.10]


def build_model():
    return TextEncoder().eval()


def example_inputs():
    padding = torch.zeros(2, 768, dtype=torch.bool)
    padding[1, 600:] = True
    return torch.randn(2, 768, 32), padding
