"""Text encoder made of nn.TransformerEncoderLayer in training mode with dropout 0.

Truth: the layer's self-attention reaches scaled_dot_product_attention inside torch; the program's own line is the
call of the layer.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 frames_skipped=0 verdict=healthy exit=0
# backend inductor
import torch
from torch import nn


class TextEncoder(nn.Module):
    def __init__(self, dim=64, heads=2):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(dim, heads, 2 * dim, dropout=0.0, batch_first=True, norm_first=True)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x):
        x = self.layer(x)  # attention fused
        return self.norm(x).mean(dim=1)


def build_model():
    return TextEncoder().train()


def example_inputs():
    return (torch.randn(1, 512, 64),)
