"""Cross-attention called with keyword arguments, an optional mask and an autocast region.

Clean: `is not None`, defaults and torch.autocast are understood by Dynamo.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 frames_skipped=0 verdict=healthy exit=0
import torch
import torch.nn.functional as F
from torch import nn


class CrossAttention(nn.Module):
    def __init__(self, dim=16, heads=2):
        super().__init__()
        self.heads = heads
        self.q, self.kv, self.out = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim), nn.Linear(dim, dim)

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, x, *, context=None, mask=None, scale=None):
        context = x if context is None else context
        with torch.autocast("cpu", dtype=torch.bfloat16):
            key, value = (self.split(part) for part in self.kv(context).chunk(2, dim=-1))
            query = self.split(self.q(x))
        query, key, value = query.float(), key.float(), value.float()
        bias = None
        if mask is not None:
            bias = torch.zeros_like(mask, dtype=query.dtype).masked_fill(~mask, float("-inf"))[:, None, None]
        y = F.scaled_dot_product_attention(query, key, value, attn_mask=bias, scale=scale)
        return self.out(y.transpose(1, 2).flatten(2))


def build_model():
    return CrossAttention().eval()


def example_inputs():
    mask = torch.tensor([[True, True, False], [True, False, True]])
    return {"x": torch.randn(2, 4, 16), "context": torch.randn(2, 3, 16), "mask": mask}
