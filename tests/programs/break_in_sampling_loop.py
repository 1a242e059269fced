"""Euler diffusion sampler that reports progress from inside its loop.

Truth: the print is a line of the loop's own frame (CD103), so Dynamo skips EulerSampler.forward
(CD104); the denoiser, called from the eager loop, is compiled as a frame of its own.
"""
# summary graph_breaks=1 recompiles=0 frames_skipped=1 verdict=unhealthy exit=1
import torch
from torch import nn


class Denoiser(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(dim + 1, 16), nn.SiLU(), nn.Linear(16, dim))

    def forward(self, x, sigma):
        return self.net(torch.cat([x, sigma.expand(x.shape[0], 1)], dim=-1))


class EulerSampler(nn.Module):
    def __init__(self, steps=4):
        super().__init__()
        self.denoiser = Denoiser()
        self.register_buffer("sigmas", torch.linspace(1.0, 0.0, steps + 1))

    def forward(self, x):  # expect CD104 loop-break
        for index in range(len(self.sigmas) - 1):
            sigma, following = self.sigmas[index], self.sigmas[index + 1]
            direction = (x - self.denoiser(x, sigma)) / sigma
            x = x + direction * (following - sigma)
            print("step", index, x.std())  # expect CD103 print-in-loop
        return x.clamp(-3, 3)


def build_model():
    return EulerSampler().eval()


def example_inputs():
    return (torch.randn(2, 8),)
