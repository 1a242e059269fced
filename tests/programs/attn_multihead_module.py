"""Cross-attention block built on nn.MultiheadAttention without attention weights.

Truth: the module calls scaled_dot_product_attention inside torch; the program's own line is the call of the module.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 frames_skipped=0 verdict=healthy exit=0
# backend inductor
import torch
from torch import nn


class CrossAttentionBlock(nn.Module):
    def __init__(self, dim=64, heads=2):
        super().__init__()
        self.norm, self.context_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = nn.MultiheadAttention(dim, heads, batch_first=True)

    def forward(self, x, context):
        context = self.context_norm(context)
        update, _ = self.attention(self.norm(x), context, context, need_weights=False)  # attention unverified
        return x + update


def build_model():
    return CrossAttentionBlock().eval()


def example_inputs():
    return torch.randn(1, 128, 64), torch.randn(1, 512, 64)
