"""Packed sequences: their sizes depend on the lengths, and Dynamo does not trace the packing."""

# says CD101: Run the RNN on the padded input
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(8, 2)

    def forward(self, x, lengths):
        x = x.tanh()
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)  # expect CD101 packed
        return self.head(packed.data)


def build_model():
    return Reader().eval()


def example_inputs():
    return torch.randn(3, 5, 8), torch.tensor([5, 2, 4])
