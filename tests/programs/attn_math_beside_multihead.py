"""A MultiheadAttention without weights beside an SDPA call with a wider query (pytorch reports on value heads of another size).

Truth: the module's call is fused; torch's flash kernel refuses the other one, and the module's kernel proves nothing for it.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 verdict=unhealthy exit=1
# backend inductor
# says CD503: same last dimension
import torch
import torch.nn.functional as F
from torch import nn


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.mix = nn.MultiheadAttention(64, 2, batch_first=True)
        self.ask = nn.Linear(64, 2 * 96)

    def forward(self, x, k, v):
        x = x + self.mix(x, x, x, need_weights=False)[0]  # attention unverified
        q = self.ask(x).unflatten(-1, (2, 96)).transpose(1, 2)
        return F.scaled_dot_product_attention(q, k, v)  # expect CD503 value-width; attention dense


def build_model():
    return Reader().train()


def example_inputs(tokens=512):
    return torch.randn(1, tokens, 64), torch.randn(1, 2, tokens, 96), torch.randn(1, 2, tokens, 64)
