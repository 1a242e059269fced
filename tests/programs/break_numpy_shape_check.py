"""Numpy computes whether the sizes are divisible: Dynamo traces the array as a tensor, and an `if` needs its value."""

# requires numpy
# summary graph_breaks=1 verdict=unhealthy exit=1
# says CD102: for size in x.shape
# never CD102: torch.where(
import numpy as np
import torch


class Net(torch.nn.Module):
    def forward(self, x):
        wrong = (np.array(x.shape) % np.power(2, 2)) > 0
        if wrong.any():  # expect CD102 numpy
            raise ValueError("size")
        return x + 1


def build_model():
    return Net().eval()


def example_inputs():
    return (torch.randn(4, 8),)
