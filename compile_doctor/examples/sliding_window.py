"""A vision transformer block in which a token sees a square window of its neighbours: flex_attention at 16,384 tokens.

`build_model()` is fused. `disabled()` is the same model with the compiled flex_attention under
`torch.compiler.disable`. That is meant to protect the fused kernel and does the opposite: torch unwraps the compiled
function and disables the original one, which computes every score.
"""

from collections.abc import Callable
from math import isqrt

import torch
from torch import nn
from torch.nn.attention.flex_attention import BlockMask, flex_attention

HEADS, DIM, RADIUS, BLOCK = 2, 64, 3, 128
WIDTH = HEADS * DIM


class WindowBlock(nn.Module):
    """Pre-norm attention and feed-forward. `attention` is flex_attention, or a function that is meant to be the same."""

    def __init__(self, attention: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.attention = attention
        self.norm_attention = nn.LayerNorm(WIDTH)
        self.query, self.key, self.value = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.out = nn.Linear(WIDTH, WIDTH)
        self.norm_feed = nn.LayerNorm(WIDTH)
        self.feed = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x: torch.Tensor, mask: BlockMask) -> torch.Tensor:
        y = self.norm_attention(x)
        q, k, v = (split_heads(project(y)) for project in (self.query, self.key, self.value))
        # On a CPU, torch 2.13 to 2.15 cannot compile a query or key that is only a view of a Linear's output.
        # `compile-doctor explain cpu-flex-query-view`: with that recipe, this line can go.
        q, k = q.contiguous(), k.contiguous()
        attended = self.attention(q, k, v, block_mask=mask)
        x = x + self.out(attended.transpose(1, 2).flatten(2))
        return x + self.feed(self.norm_feed(x))


def split_heads(x: torch.Tensor) -> torch.Tensor:
    return x.view(x.shape[0], x.shape[1], HEADS, DIM).transpose(1, 2)


def window_mask(tokens: int) -> BlockMask:
    """The window over a square grid of tokens. Unlike create_block_mask, it creates no table of tokens × tokens."""
    side = isqrt(tokens)
    if side * side != tokens:
        raise ValueError(f"{tokens} tokens are no square grid; 1024, 4096 and 16384 are.")

    def near(batch: torch.Tensor, head: torch.Tensor, q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        same_rows = (q // side - k // side).abs() <= RADIUS
        return same_rows & ((q % side - k % side).abs() <= RADIUS)

    # Two blocks of 128 tokens have to meet if the image rows that they cover come within the radius.
    start = torch.arange(0, tokens, BLOCK)
    top, bottom = start // side, (start + BLOCK - 1).clamp(max=tokens - 1) // side
    meets = (top[:, None] - bottom <= RADIUS) & (top - bottom[:, None] <= RADIUS)
    count = meets.sum(-1, dtype=torch.int32)
    order = meets.int().argsort(dim=-1, descending=True, stable=True).int()  # the blocks that meet come first
    return BlockMask.from_kv_blocks(
        count[None, None], order[None, None], BLOCK_SIZE=BLOCK, mask_mod=near, seq_lengths=(tokens, tokens)
    )


def build_model() -> nn.Module:
    return WindowBlock(flex_attention)


def disabled() -> nn.Module:
    return WindowBlock(torch.compiler.disable(torch.compile(flex_attention)))


def example_inputs(tokens: int = 1024) -> tuple[torch.Tensor, BlockMask]:
    return torch.randn(1, tokens, WIDTH), window_mask(tokens)
