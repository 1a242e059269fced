"""Inputs that are made on an accelerator of another kind than this machine has.

Truth: example_inputs() raises before anything can be compiled: exit 2.
"""
# summary exit=2
# expect CD001 no-device
# says CD001: There is no XPU device here
# says CD001: Leave `"xpu"` out of this line
import torch
from torch import nn


def build_model():
    return nn.Linear(8, 8).eval()


def example_inputs():
    return (torch.randn(2, 8).to("xpu"),)
