"""One decoding step over a static KV cache of 1,024 places, with a mask over the filled ones.

Truth: flash with a mask; the scores of one query are no larger than the inputs.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(1)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("keys", torch.randn(1, 2, 1024, 32))
        self.register_buffer("values", torch.randn(1, 2, 1024, 32))

    def forward(self, q, k, v, position):
        self.keys.index_copy_(2, position, k)
        self.values.index_copy_(2, position, v)
        seen = (torch.arange(1024) <= position)[None]
        return F.scaled_dot_product_attention(q * 2, self.keys, self.values, attn_mask=seen)  # attention fused


def build_model():
    return Attention()


def example_inputs():
    return *(torch.randn(1, 2, 1, 32) for _ in range(3)), torch.tensor([700])
