"""Encoder fed float32, then float64, then bfloat16 features.

Truth: a tensor's dtype is guarded, so each new dtype compiles forward again.
"""
# summary graph_breaks=0 recompiles=2 graphs=3 frames_skipped=0 exit=0
import torch
from torch import nn


class FeatureEncoder(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.proj, self.norm = nn.Linear(dim, dim), nn.LayerNorm(dim)

    def forward(self, features):  # expect CD201 dtype
        centred = features - features.mean(dim=-1, keepdim=True)
        scaled = centred / (centred.square().mean(dim=-1, keepdim=True) + 1e-5).sqrt()
        return self.norm(torch.relu(self.proj(scaled.float())))


def build_model():
    return FeatureEncoder().eval()


def example_input_sets():
    base = torch.randn(3, 8)
    return [(base,), (base.double(),), (base.bfloat16(),)]
