"""Fake-quantised MLP. Calibration uses .item(), float() and print, but while it is built.

Clean: calibrate() never runs under torch.compile; forward uses the Python floats it left.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 frames_skipped=0 verdict=healthy exit=0
import sys
import warnings

import torch
from torch import nn

if torch.get_num_threads() < 1:
    warnings.warn("no threads for calibration")


class FakeQuant(nn.Module):
    def __init__(self, bits=8):
        super().__init__()
        self.levels = 2**bits - 1
        self.low, self.high = 0.0, 1.0

    def calibrate(self, samples):
        with torch.no_grad():
            low, high = samples.min(), samples.max()
            if low < high:
                self.low, self.high = low.item(), float(high)
        print(f"calibrated to {self.low:.3f} .. {self.high:.3f}", file=sys.stderr)

    def forward(self, x):
        step = (self.high - self.low) / self.levels
        q = torch.round((x.clamp(self.low, self.high) - self.low) / step)
        return q * step + self.low


class QuantMLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant = FakeQuant()
        self.layers = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))

    def forward(self, x):
        return self.layers(self.quant(x))


def build_model():
    model = QuantMLP().eval()
    model.quant.calibrate(torch.linspace(-2.0, 2.0, 33))
    return model


def example_inputs():
    return (torch.randn(3, 8),)
