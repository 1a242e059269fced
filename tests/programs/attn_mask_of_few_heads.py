"""Two layers of SDPA with a bool mask of all pairs, as transformers makes one when it is compiled; two rows in the batch, padded.

Truth: the flash kernel, which takes the mask as numbers: a quarter of the scores of four heads. No table of scores is kept.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 graphs=1 verdict=healthy exit=0
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn


class Layer(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, mask):
        q, k, v = (t.unflatten(-1, (4, -1)).transpose(1, 2) for t in self.qkv(x).chunk(3, -1))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)  # attention fused; expect CD506 padding
        return x + self.out(y.transpose(1, 2).flatten(2))


class Encoder(nn.Module):
    def __init__(self, dim=64):
        super().__init__()
        self.layers = nn.ModuleList(Layer(dim) for _ in range(2))

    def forward(self, x, keep):
        mask = keep[:, None, None, :].expand(-1, 1, x.shape[1], -1)
        mask = mask & torch.ones(x.shape[1], x.shape[1], dtype=torch.bool)
        for layer in self.layers:
            x = layer(x, mask)
        return x


def build_model():
    return Encoder()


def example_inputs():
    keep = torch.ones(2, 1024, dtype=torch.bool)
    keep[1, 700:] = False
    return torch.randn(2, 1024, 64), keep
