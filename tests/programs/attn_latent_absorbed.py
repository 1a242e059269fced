"""DeepSeek's latent attention with the up-projection of the keys absorbed into the query: all heads share one latent as key.

Truth: scores of content and of position are two products that are added: by hand, a tensor for every head.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0
# backend inductor
import torch
from torch import nn
torch.set_num_threads(1)

class LatentAttention(nn.Module):
    def __init__(self, dim=128, heads=4, nope=32, rope=16, rank=48):
        super().__init__()
        self.heads, self.nope, self.rope, self.rank = heads, nope, rope, rank
        self.q = nn.Linear(dim, heads * (nope + rope), bias=False)
        self.kv_down = nn.Linear(dim, rank + rope, bias=False)
        self.k_up = nn.Parameter(torch.randn(heads, nope, rank) * 0.1)
        self.v_up = nn.Parameter(torch.randn(heads, rank, nope) * 0.1)

    def forward(self, x):
        q_nope, q_pe = self.q(x).unflatten(-1, (self.heads, -1)).split([self.nope, self.rope], dim=-1)
        latent, k_pe = self.kv_down(x).split([self.rank, self.rope], dim=-1)
        q_latent = torch.einsum("bshd,hdc->bshc", q_nope, self.k_up)
        scores = torch.einsum("bshc,btc->bsht", q_latent, latent) + torch.einsum("bshr,btr->bsht", q_pe, k_pe)
        scores = (scores * (self.nope + self.rope) ** -0.5).softmax(dim=-1, dtype=torch.float32).type_as(x)  # expect CD505 by-hand
        return torch.einsum("bsht,btc->bshc", scores, latent)


def build_model():
    return LatentAttention()


def example_inputs():
    return (torch.randn(1, 1024, 128),)
