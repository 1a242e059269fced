"""KernelBench-style problem: a residual convolution stack with a configurable activation.

Clean: the activation is picked from a dictionary by an enum, a constant of the module.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 frames_skipped=0 verdict=healthy exit=0
import enum

import torch
import torch.nn.functional as F
from torch import nn


class Activation(enum.Enum):
    RELU = "relu"
    SILU = "silu"


FUNCTIONS = {Activation.RELU: F.relu, Activation.SILU: F.silu}


class Model(nn.Module):
    def __init__(self, channels, depth, activation):
        super().__init__()
        self.activation = Activation(activation)
        self.convs = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(depth))
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(depth))

    def forward(self, x):
        for index, (conv, norm) in enumerate(zip(self.convs, self.norms)):
            y = FUNCTIONS[self.activation](norm(conv(x)))
            x = x + y if index % 2 == 0 else x - y
            if self.activation is Activation.SILU:
                x = x * 0.5
        return x.mean(dim=(2, 3))


def get_init_inputs():
    return [4, 3, "silu"]


def get_inputs():
    return [torch.randn(2, 4, 8, 8)]
