"""Three ways to keep flex_attention out of the surrounding graph; one keeps the fused kernel.

`build_model()` disables a plain function that calls the compiled flex_attention: fused, for one intended graph break.
`disabled()` disables the compiled flex_attention itself: torch unwraps it, and every score is computed in full.
`context_manager()` writes `with torch.compiler.disable():`, which is not a context manager and raises, in eager mode too.
"""

from collections.abc import Callable
from math import ceil

import torch
from torch import nn
from torch.nn.attention.flex_attention import BlockMask, flex_attention

HEADS, DIM, WINDOW, BLOCK = 2, 64, 128, 128
WIDTH = HEADS * DIM

compiled_flex = torch.compile(flex_attention)


@torch.compiler.disable
def isolated(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, block_mask: BlockMask) -> torch.Tensor:
    """This function is disabled; the compiled one inside it stays compiled."""
    return compiled_flex(q, k, v, block_mask=block_mask)


def never(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, block_mask: BlockMask) -> torch.Tensor:
    with torch.compiler.disable():
        return compiled_flex(q, k, v, block_mask=block_mask)


class LocalAttention(nn.Module):
    """A token sees the tokens that are at most WINDOW away. `attention` is one of the three ways."""

    def __init__(self, attention: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.attention = attention
        self.norm = nn.LayerNorm(WIDTH)
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def forward(self, x: torch.Tensor, mask: BlockMask) -> torch.Tensor:
        y = self.norm(x)
        q, k, v = (
            project(y).unflatten(-1, (HEADS, DIM)).transpose(1, 2) for project in (self.query, self.key, self.value)
        )
        attended = self.attention(q, k, v, block_mask=mask)
        return x + self.out(attended.transpose(1, 2).flatten(2))


def near(batch: torch.Tensor, head: torch.Tensor, q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    return (q - k).abs() <= WINDOW


def local_mask(tokens: int) -> BlockMask:
    """Built from blocks of 128 tokens, so that no table of tokens × tokens is needed."""
    block = torch.arange(ceil(tokens / BLOCK))
    meets = (block[:, None] - block).abs() <= ceil(WINDOW / BLOCK)
    count = meets.sum(-1, dtype=torch.int32)
    order = meets.int().argsort(dim=-1, descending=True, stable=True).int()  # the blocks that meet come first
    return BlockMask.from_kv_blocks(
        count[None, None], order[None, None], BLOCK_SIZE=BLOCK, mask_mod=near, seq_lengths=(tokens, tokens)
    )


def build_model() -> nn.Module:
    return LocalAttention(isolated)


def disabled() -> nn.Module:
    return LocalAttention(torch.compiler.disable(compiled_flex))


def context_manager() -> nn.Module:
    return LocalAttention(never)


def example_inputs(tokens: int = 1024) -> tuple[torch.Tensor, BlockMask]:
    return torch.randn(1, tokens, WIDTH), local_mask(tokens)
