"""Least-squares head that falls back when the solve fails: a break inside try.

Truth: .item() inside `try` breaks, and Dynamo cannot resume inside a try block: it
compiles what came before and runs the rest of the frame eagerly.
"""
# summary graph_breaks=1 verdict=unhealthy exit=1
import torch
from torch import nn


class Stem(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.linear = nn.Linear(dim, dim)

    def forward(self, x):
        return torch.tanh(self.linear(x))


class Whitening(nn.Module):
    def __init__(self, dim=6):
        super().__init__()
        self.stem = Stem(dim)
        self.dim = dim

    def forward(self, x):  # expect CD101 unrecorded-line [<2.10]; expect CD104 rest-from-the-try
        hidden = self.stem(x)
        covariance = hidden.T @ hidden / hidden.shape[0] + torch.eye(self.dim)
        try:
            condition = torch.linalg.cond(covariance).item()  # expect CD101 item [>=2.10]
            if condition > 1e6:
                raise ValueError("ill-conditioned")
            factor = torch.linalg.cholesky(covariance)
        except ValueError:
            factor = torch.eye(self.dim)
        return hidden @ factor


def build_model():
    return Whitening().eval()


def example_inputs():
    return (torch.randn(12, 6),)
