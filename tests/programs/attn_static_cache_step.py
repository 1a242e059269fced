"""A decoding step for grouped queries with a cache of full size: one query, a mask of one row.

Truth: flash takes one query too; the scores are one row for each head, smaller than the cache.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn
torch.set_num_threads(1)

class Cache(nn.Module):
    def __init__(self, tokens=1024):
        super().__init__()
        self.register_buffer("keys", torch.zeros(1, 2, tokens, 32))
        self.register_buffer("values", torch.zeros(1, 2, tokens, 32))

    def forward(self, q, k, v, position):
        self.keys.index_copy_(2, position, k)
        self.values.index_copy_(2, position, v)
        seen = torch.arange(self.keys.shape[2])[None, None, None, :] <= position[:, None]
        return F.scaled_dot_product_attention(q, self.keys, self.values, attn_mask=seen, enable_gqa=True)  # attention fused [>=2.9]; attention dense [<2.9]; expect CD503 grouped [<2.9]


def build_model():
    return Cache()


def example_inputs():
    return torch.randn(1, 8, 1, 32), torch.randn(1, 2, 1, 32), torch.randn(1, 2, 1, 32), torch.tensor([700])


# summary verdict=healthy exit=0 [>=2.9]
# says CD503: k, v = (t.repeat_interleave(q.shape[1] // t.shape[1], dim=1) [<2.9]
