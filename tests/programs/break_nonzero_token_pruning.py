"""Token pruning with a boolean mask index and torch.nonzero.

Truth: both have a shape that depends on data (capture_dynamic_output_shape_ops is off by default).
"""
# summary graph_breaks=2 recompiles=0 frames_skipped=0 verdict=unhealthy exit=1
import torch
from torch import nn


class TokenPruner(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.score, self.mix = nn.Linear(dim, 1), nn.Linear(dim, dim)

    def forward(self, tokens):
        score = self.score(tokens).squeeze(-1)
        keep = score > score.median()
        kept = tokens[keep]  # expect CD101 boolean-mask
        kept = torch.relu(self.mix(kept))
        norms = kept.norm(dim=-1)
        strong = torch.nonzero(norms > norms.mean())  # expect CD101 nonzero
        return kept.sum(dim=0) + strong.sum()


def build_model():
    return TokenPruner().eval()


def example_inputs():
    return (torch.randn(10, 8),)
