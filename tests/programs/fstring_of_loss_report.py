"""Regression head that keeps a text with its loss for a later report.

Truth: from 2.12 Dynamo formats a tensor into a string after the graph has run. Before, storing such a
string as a module attribute breaks at this line.
"""
# summary recompiles=0 frames_skipped=0
# summary graph_breaks=0 graphs=1 verdict=healthy exit=0 [>=2.12]
# summary graph_breaks=1 graphs=2 verdict=unhealthy exit=1 [<2.12]
import torch
from torch import nn


class ReportingHead(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.norm, self.head = nn.LayerNorm(dim), nn.Linear(dim, 1)
        self.report = ""

    def forward(self, x, target):
        prediction = self.head(torch.relu(self.norm(x))).squeeze(-1)
        error = prediction - target
        loss = error.square().mean()
        self.report = f"loss {loss:.4f} over {x.shape[0]} rows"  # expect CD101 store-attribute [<2.12]
        return loss, prediction * 2.0


def build_model():
    return ReportingHead().eval()


def example_inputs():
    return (torch.randn(5, 8), torch.randn(5))
