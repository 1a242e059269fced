"""Grouped-query attention: eight query heads share two key and value heads, with a causal flex_attention.

`build_model()` is fused. In `mixed_dtypes()` keys and values are kept in bfloat16, as in a cache of half the size, and
nothing casts them back: flex_attention requires one dtype for q, k and v.
"""

from math import ceil

import torch
from torch import nn
from torch.nn.attention.flex_attention import BlockMask, flex_attention

HEADS, GROUPS, DIM, BLOCK = 8, 2, 32, 128
WIDTH = HEADS * DIM


class GroupedQueryAttention(nn.Module):
    """`kept` is the dtype in which keys and values would be cached."""

    def __init__(self, kept: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.kept = kept
        self.query = nn.Linear(WIDTH, WIDTH)
        self.key, self.value = (nn.Linear(WIDTH, GROUPS * DIM) for _ in range(2))
        self.out = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor, mask: BlockMask) -> torch.Tensor:
        q = self.query(x).unflatten(-1, (HEADS, DIM)).transpose(1, 2)
        k = self.key(x).to(self.kept).unflatten(-1, (GROUPS, DIM)).transpose(1, 2)
        v = self.value(x).to(self.kept).unflatten(-1, (GROUPS, DIM)).transpose(1, 2)
        # On a CPU, torch 2.13 to 2.15 cannot compile a query or key that is only a view of a Linear's output.
        # `compile-doctor explain cpu-flex-query-view`: with that recipe, this line can go.
        q, k = q.contiguous(), k.contiguous()
        attended = flex_attention(q, k, v, block_mask=mask, enable_gqa=True)
        return self.out(attended.transpose(1, 2).flatten(2))


def causal(batch: torch.Tensor, head: torch.Tensor, q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    return q >= k


def causal_mask(tokens: int) -> BlockMask:
    """The first block of queries sees one block of keys, the second two, and so on: no table of tokens × tokens."""
    blocks = ceil(tokens / BLOCK)
    count = torch.arange(1, blocks + 1, dtype=torch.int32)
    order = torch.arange(blocks, dtype=torch.int32).repeat(blocks, 1)
    return BlockMask.from_kv_blocks(
        count[None, None], order[None, None], BLOCK_SIZE=BLOCK, mask_mod=causal, seq_lengths=(tokens, tokens)
    )


def build_model() -> nn.Module:
    return GroupedQueryAttention()


def mixed_dtypes() -> nn.Module:
    return GroupedQueryAttention(kept=torch.bfloat16)


def example_inputs(tokens: int = 1024) -> tuple[torch.Tensor, BlockMask]:
    return torch.randn(1, tokens, WIDTH), causal_mask(tokens)
