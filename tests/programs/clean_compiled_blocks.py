"""Regional compilation: the model compiles each of its blocks and not itself, by both ways that torch has.

Clean: the target runs as it is, so that the print between the blocks is outside of what is compiled.
"""
# summary graph_breaks=0 recompiles=0 graphs=2 frames_skipped=0 verdict=healthy exit=0
import torch
from torch import nn


class Encoder(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.dense = nn.Linear(dim, dim)

    def forward(self, x):
        return self.dense(x).relu()


class Decoder(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.dense = nn.Linear(dim, dim)

    def forward(self, x):
        return self.dense(x).sigmoid()


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = Encoder()
        self.encoder.compile(backend="eager")
        self.decoder = torch.compile(Decoder(), backend="eager")

    def forward(self, x):
        code = self.encoder(x)
        print("code", tuple(code.shape))
        return self.decoder(code)


def build_model():
    return Autoencoder().eval()


def example_inputs():
    return (torch.randn(2, 8),)
