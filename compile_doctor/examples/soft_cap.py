"""Attention whose scores are soft-capped with a tanh, as in Gemma 2: no SDPA backend supports that, flex_attention does.

`build_model()` is fused. In `recompiling()` the cap decreases by one at every call and is a Python number in a new
score_mod: each call is compiled again until the recompile limit, and from then on every score is computed in full.
A cap held in a tensor (`self.register_buffer("cap", ...)`) can change without that.
"""

from collections.abc import Callable
from math import ceil

import torch
from torch import nn
from torch.nn.attention.flex_attention import BlockMask, flex_attention

HEADS, DIM, BLOCK, CALLS = 2, 64, 128, 12
WIDTH = HEADS * DIM


def soft_cap(cap: float) -> Callable[..., torch.Tensor]:
    def score_mod(
        score: torch.Tensor, batch: torch.Tensor, head: torch.Tensor, q: torch.Tensor, k: torch.Tensor
    ) -> torch.Tensor:
        return cap * torch.tanh(score / cap)

    return score_mod


class SoftCapAttention(nn.Module):
    """Causal attention with a fixed cap."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.score_mod = soft_cap(50.0)

    def forward(self, x: torch.Tensor, mask: BlockMask) -> torch.Tensor:
        return self.attend(x, mask, self.score_mod)

    def attend(self, x: torch.Tensor, mask: BlockMask, score_mod: Callable[..., torch.Tensor]) -> torch.Tensor:
        heads = (
            project(x).unflatten(-1, (HEADS, DIM)).transpose(1, 2) for project in (self.query, self.key, self.value)
        )
        q, k, v = heads
        # On a CPU, torch 2.13 to 2.15 cannot compile a query or key that is only a view of a Linear's output.
        # `compile-doctor explain cpu-flex-query-view`: with that recipe, this line can go.
        q, k = q.contiguous(), k.contiguous()
        attended = flex_attention(q, k, v, score_mod=score_mod, block_mask=mask)
        return self.out(attended.transpose(1, 2).flatten(2))


class AnnealedAttention(SoftCapAttention):
    """The cap decreases at every call, until it is 20."""

    def __init__(self) -> None:
        super().__init__()
        self.step = 0

    def forward(self, x: torch.Tensor, mask: BlockMask) -> torch.Tensor:
        self.step += 1
        return self.attend(x, mask, soft_cap(max(50.0 - self.step, 20.0)))  # a new function around a new number


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
    return SoftCapAttention()


def recompiling() -> nn.Module:
    return AnnealedAttention()


def example_input_sets(tokens: int = 1024) -> list[tuple[torch.Tensor, BlockMask]]:
    return [(torch.randn(1, tokens, WIDTH), causal_mask(tokens))] * CALLS
