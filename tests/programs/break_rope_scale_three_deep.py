"""Decoder whose rotary helper, three calls below forward, reads a scale with .item().

Truth: Tensor.item() without capture_scalar_outputs is a break; the innermost user line is the one
in rope_scale, and the breaks of the frames above are consequences of it.
"""
# summary graph_breaks=1 recompiles=0 frames_skipped=0 verdict=unhealthy exit=1
import torch
import torch.nn.functional as F
from torch import nn


def rope_scale(factor):
    return max(1.0, factor.item())  # expect CD101 item


def rotate(x, factor):
    half = x.shape[-1] // 2
    angle = torch.arange(x.shape[-2], dtype=x.dtype)[:, None] / rope_scale(factor)
    left, right = x[..., :half], x[..., half:]
    return torch.cat([left * angle.cos() - right * angle.sin(), right * angle.cos() + left * angle.sin()], dim=-1)


class Attention(nn.Module):
    def __init__(self, dim, heads=2):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.register_buffer("factor", torch.tensor(4.0))

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(rotate(q, self.factor), k, v, is_causal=True)
        return y.transpose(1, 2).flatten(2)


class Decoder(nn.Module):
    def __init__(self, dim=16):
        super().__init__()
        self.norm, self.attention, self.head = nn.LayerNorm(dim), Attention(dim), nn.Linear(dim, 10)

    def forward(self, x):
        return self.head(x + self.attention(self.norm(x)))


def build_model():
    return Decoder().eval()


def example_inputs():
    return (torch.randn(2, 5, 16),)
