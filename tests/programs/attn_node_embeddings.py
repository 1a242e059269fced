"""Graph WaveNet's adaptive adjacency: a softmax over nodes × nodes, made of parameters.

Truth: this is no attention: the table has the size of the parameters, whatever the input is.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(1)


class Diffusion(nn.Module):
    def __init__(self, nodes=1024, width=10):
        super().__init__()
        self.source, self.target = nn.Parameter(torch.randn(nodes, width)), nn.Parameter(torch.randn(width, nodes))
        self.mix = nn.Linear(16, 16)

    def forward(self, x):
        adjacency = F.softmax(F.relu(torch.mm(self.source, self.target)), dim=1)
        return self.mix(torch.einsum("vw,bwc->bvc", adjacency, x))


def build_model():
    return Diffusion()


def example_inputs():
    return (torch.randn(2, 1024, 16),)
