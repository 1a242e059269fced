"""A text encoder of nn.TransformerEncoder in eval mode, with padding, and a projection behind it.

Truth: eager mode makes nested tensors and fills the padding with zeros; under torch.compile the encoder's own code does not, so
that the rows of padding differ, and only those. The layers take the fast path, which keeps the scores on a CPU.
"""
# recorded [==2.13.*]
# summary graph_breaks=0 recompiles=0 graphs=1 verdict=unhealthy exit=1
# backend inductor
# says CD601: enable_nested_tensor=False
# expect CD601 nested-tensors
import torch
from torch import nn

torch.set_num_threads(1)


class TextEncoder(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, batch_first=True)
        self.encoder, self.out = nn.TransformerEncoder(layer, 2), nn.Linear(width, width)

    def forward(self, x, padding):
        return self.out(self.encoder(x, src_key_padding_mask=padding))  # expect CD505 fast-path


def build_model():
    return TextEncoder().eval()


def example_inputs():
    padding = torch.zeros(2, 768, dtype=torch.bool)
    padding[1, 600:] = True
    return torch.randn(2, 768, 32), padding
