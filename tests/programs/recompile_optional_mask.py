"""Attention whose mask is sometimes None and sometimes a tensor.

Truth: None against tensor is guarded where forward asks for it; two variants exist.
"""
# summary graph_breaks=0 recompiles=1 graphs=2 frames_skipped=0 exit=0
import torch
import torch.nn.functional as F
from torch import nn


class MaskedSelfAttention(nn.Module):
    def __init__(self, dim=16, heads=2):
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, mask=None):
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        if mask is not None:  # expect CD201 optional-tensor
            mask = mask[:, None, None, :]
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.out(y.transpose(1, 2).flatten(2))


def build_model():
    return MaskedSelfAttention().eval()


def example_input_sets():
    x = torch.randn(2, 4, 16)
    return [(x,), (x, torch.ones(2, 4, dtype=torch.bool)), (x, None)]
