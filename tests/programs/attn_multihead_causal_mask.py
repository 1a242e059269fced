"""MultiheadAttention without weights, with a float mask of queries by keys.

Truth: SDPA with an additive mask: flash.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
from torch import nn

torch.set_num_threads(1)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(256, 8, batch_first=True)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(1024))

    def forward(self, x):
        return self.attention(x, x, x, attn_mask=self.mask, need_weights=False)[0]  # attention fused


def build_model():
    return Attention().train()


def example_inputs():
    return (torch.randn(1, 1024, 256),)
