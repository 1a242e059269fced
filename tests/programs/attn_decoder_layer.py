"""A text decoder made of nn.TransformerDecoderLayer: self-attention with a causal mask, and cross-attention.

Truth: both call SDPA inside of torch from this one line; the masks are additive, and flash takes them.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
from torch import nn

torch.set_num_threads(1)


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerDecoderLayer(64, 2, 128, dropout=0.0, batch_first=True)

    def forward(self, x, memory):
        return self.layer(x, memory, tgt_is_causal=True, tgt_mask=nn.Transformer.generate_square_subsequent_mask(x.shape[1]))  # attention fused


def build_model():
    return Decoder().eval()


def example_inputs():
    return torch.randn(1, 1024, 64), torch.randn(1, 1024, 64)
