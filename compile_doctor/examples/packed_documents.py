"""Documents packed into one sequence: a token sees the earlier tokens of its own document, and no other document.

`build_model()` is fused, and its mask is created once per batch, outside the model. In `rebuilt()` the model calls an
uncompiled helper for the mask at every call: create_block_mask then fills a table of tokens × tokens each time, and
the memory that flex_attention saves is lost.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

HEADS, DIM, BLOCK, LENGTHS = 2, 64, 128, (300, 40, 500, 130, 54)
WIDTH = HEADS * DIM


class PackedAttention(nn.Module):
    """`document` holds the number of each token's document; the numbers never decrease."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def forward(self, x: torch.Tensor, document: torch.Tensor, mask: BlockMask) -> torch.Tensor:
        q, k, v = (
            project(x).unflatten(-1, (HEADS, DIM)).transpose(1, 2) for project in (self.query, self.key, self.value)
        )
        # On a CPU, torch 2.13 to 2.15 cannot compile a query or key that is only a view of a Linear's output.
        # `compile-doctor explain cpu-flex-query-view`: with that recipe, this line can go.
        q, k = q.contiguous(), k.contiguous()
        attended = flex_attention(q, k, v, block_mask=mask)
        return self.out(attended.transpose(1, 2).flatten(2))


class RebuildingAttention(PackedAttention):
    """Creates its own mask, at every call and in every layer of such a model."""

    def forward(self, x: torch.Tensor, document: torch.Tensor, mask: BlockMask) -> torch.Tensor:
        return super().forward(x, document, full_table_mask(document))


@torch.compiler.disable
def full_table_mask(document: torch.Tensor) -> BlockMask:
    """The easy way. Without the decorator it would be compiled with the model, and would not need a table either."""
    tokens = document.shape[0]
    return create_block_mask(same_document(document), None, None, tokens, tokens, device=document.device)


def same_document(document: torch.Tensor) -> Callable[..., torch.Tensor]:
    def mask_mod(batch: torch.Tensor, head: torch.Tensor, q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        return (document[q] == document[k]) & (q >= k)

    return mask_mod


def document_mask(document: torch.Tensor) -> BlockMask:
    """Compares blocks of 128 tokens by their first and last document, and needs no table of tokens × tokens."""
    tokens = document.shape[0]
    start = torch.arange(0, tokens, BLOCK)
    first, last = document[start], document[(start + BLOCK - 1).clamp(max=tokens - 1)]
    meets = (first[:, None] <= last) & (first <= last[:, None]) & (start[:, None] >= start)
    count = meets.sum(-1, dtype=torch.int32)
    order = meets.int().argsort(dim=-1, descending=True, stable=True).int()  # the blocks that meet come first
    return BlockMask.from_kv_blocks(
        count[None, None],
        order[None, None],
        BLOCK_SIZE=BLOCK,
        mask_mod=same_document(document),
        seq_lengths=(tokens, tokens),
    )


def build_model() -> nn.Module:
    return PackedAttention()


def rebuilt() -> nn.Module:
    return RebuildingAttention()


def example_inputs(tokens: int = 1024) -> tuple[torch.Tensor, torch.Tensor, BlockMask]:
    lengths = torch.tensor(LENGTHS).repeat(tokens // sum(LENGTHS) + 1)
    document = torch.arange(len(lengths)).repeat_interleave(lengths)[:tokens]
    return torch.randn(1, tokens, WIDTH), document, document_mask(document)
