"""Sampler called with a new temperature, a Python float, on each step.

Truth: the float's value is guarded at first; the second value compiles a graph that takes it as an
input, and the third reuses that.
"""
# summary graph_breaks=0 recompiles=1 graphs=2 frames_skipped=0 exit=0
import torch
from torch import nn


class TemperatureSampler(nn.Module):
    def __init__(self, dim=8, vocab=12):
        super().__init__()
        self.head = nn.Linear(dim, vocab)

    def forward(self, hidden, temperature):
        logits = self.head(hidden)
        if temperature <= 0.0:  # expect CD201 float-argument
            return torch.nn.functional.one_hot(logits.argmax(dim=-1), logits.shape[-1]).float()
        return (logits / temperature).softmax(dim=-1)


def build_model():
    return TemperatureSampler().eval()


def example_input_sets():
    hidden = torch.randn(2, 8)
    return [(hidden, 1.0), (hidden, 0.8), (hidden, 0.6)]
