"""A two-layer transformer encoder that compiles into one graph: nothing to fix."""

import torch
import torch.nn.functional as F
from torch import nn

WIDTH, HEADS, TOKENS = 32, 4, 16


class Block(nn.Module):
    """Pre-norm attention and feed-forward."""

    def __init__(self) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(WIDTH)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.norm_feed = nn.LayerNorm(WIDTH)
        self.feed = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, tokens, _ = x.shape
        q, k, v = self.qkv(self.norm_attention(x)).view(batch, tokens, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v)
        x = x + self.out(attended.transpose(1, 2).reshape(batch, tokens, WIDTH))
        return x + self.feed(self.norm_feed(x))


def build_model() -> nn.Module:
    return nn.Sequential(Block(), Block())


def example_inputs() -> tuple[torch.Tensor]:
    return (torch.randn(2, TOKENS, WIDTH),)
