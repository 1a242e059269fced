"""Augmentation that draws its gain from Python's random module.

Clean: Dynamo models random.uniform and friends, and feeds the drawn number in as an input.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 frames_skipped=0 verdict=healthy exit=0
import random

import torch
from torch import nn


class RandomJitter(nn.Module):
    def __init__(self, strength=0.2):
        super().__init__()
        self.strength = strength
        self.mean = nn.Parameter(torch.full((3, 1, 1), 0.5))

    def forward(self, images):
        x = images - self.mean
        gain = random.uniform(1 - self.strength, 1 + self.strength)
        x = x * gain
        return (x + self.mean).clamp(0, 1).flip(-1)


def build_model():
    return RandomJitter()


def example_inputs():
    return (torch.rand(2, 3, 8, 8),)
