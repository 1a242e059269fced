"""Latent attention whose values are narrower than its queries and keys, given to scaled_dot_product_attention.

Truth: the CPU flash kernel wants one head dimension for q, k and v, so the math backend is chosen and the full
score matrix is made.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 frames_skipped=0 verdict=unhealthy exit=1
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn


class LatentAttention(nn.Module):
    def __init__(self, dim=64, heads=2, latent=32, nope=32, rope=32, value=32):
        super().__init__()
        self.heads, self.nope, self.value = heads, nope, value
        self.query = nn.Linear(dim, heads * (nope + rope))
        self.down, self.rope_key = nn.Linear(dim, latent), nn.Linear(dim, rope)
        self.up = nn.Linear(latent, heads * (nope + value))
        self.out = nn.Linear(heads * value, dim)

    def forward(self, x):
        q = self.query(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k, v = self.up(self.down(x)).unflatten(-1, (self.heads, -1)).transpose(1, 2).split([self.nope, self.value], dim=-1)
        shared = self.rope_key(x)[:, None].expand(-1, self.heads, -1, -1)
        k = torch.cat([k, shared], dim=-1)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)  # expect CD503 head-dim-differs; attention dense
        return self.out(y.transpose(1, 2).flatten(2))


def build_model():
    return LatentAttention().eval()


def example_inputs():
    return (torch.randn(1, 512, 64),)
