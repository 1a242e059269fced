"""Hand-written masked attention which borrows torch._safe_softmax for rows without any visible key.

Truth: Dynamo does not trace torch._safe_softmax. There is no call of flex_attention or of
scaled_dot_product_attention here.
"""
# summary graph_breaks=1 recompiles=0 graphs=2 frames_skipped=0 verdict=unhealthy exit=1
# backend inductor
import torch
from torch import nn


class MaskedAttention(nn.Module):
    def __init__(self, dim=64, heads=2):
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, padding):
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5
        scores = scores.masked_fill(padding[:, None, None], float("-inf"))
        weights = torch._safe_softmax(scores, -1)  # expect CD307 called-by-user
        return self.out((weights @ v).transpose(1, 2).flatten(2))


def build_model():
    return MaskedAttention().eval()


def example_inputs():
    return torch.randn(1, 256, 64), torch.arange(256)[None] > 200
