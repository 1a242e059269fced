"""SDPA in both sides of torch.cond: causal for text, full for images.

Truth: both sides have SDPA's flash kernel, and one of them runs; that the graph ran does not show which.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn
torch.set_num_threads(1)

class Attention(nn.Module):
    def forward(self, is_text, q, k, v):
        def text(q, k, v):
            return F.scaled_dot_product_attention(q, k, v, is_causal=True)  # attention unverified

        def image(q, k, v):
            return F.scaled_dot_product_attention(q, k, v)  # attention unverified

        return torch.cond(is_text.sum() > 0, text, image, (q, k, v))


def build_model():
    return Attention()


def example_inputs():
    return torch.ones(1), *(torch.randn(1, 2, 1024, 32) for _ in range(3))
