"""Packed documents for SDPA: a mask of all pairs says which tokens have the same document number.

Truth: flash takes the mask; no argument of SDPA says the same, and it is as large as a head's scores.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn
torch.set_num_threads(1)

class Attention(nn.Module):
    def forward(self, q, k, v, documents):
        same = documents[:, None, :, None] == documents[:, None, None, :]
        causal = torch.ones(q.shape[2], q.shape[2], dtype=torch.bool).tril()
        return F.scaled_dot_product_attention(q, k, v, attn_mask=same & causal)  # attention unverified


def build_model():
    return Attention()


def example_inputs():
    documents = torch.bucketize(torch.arange(1024), torch.tensor([200, 500, 900]))[None]
    return *(torch.randn(1, 2, 1024, 32) for _ in range(3)), documents
