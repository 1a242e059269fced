"""ALiBi as a float mask of SDPA: a slope for each head times the distance.

Truth: flash takes the mask. It weights the pairs, so that no argument could replace it. The mask is as large as the scores.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn
torch.set_num_threads(1)

class Attention(nn.Module):
    def __init__(self, heads=2):
        super().__init__()
        self.register_buffer("slopes", torch.tensor([2.0 ** -(8 * (i + 1) / heads) for i in range(heads)]))

    def forward(self, q, k, v):
        at = torch.arange(q.shape[2])
        distance = (at[None, :] - at[:, None]).float()
        bias = self.slopes[:, None, None] * distance.masked_fill(distance > 0, float("-inf"))
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias[None])  # attention unverified


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 1024, 32) for _ in range(3))
