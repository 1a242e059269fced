"""Three defects of torch's CPU code for flex_attention: two models that do not compile, and one with a wrong result.

`build_model()` avoids all three. Eager runs the others, but on a CPU
`query_view()` cannot be compiled: q and k are plain views of a Linear's output (torch 2.13 to 2.15),
`epilogue()` cannot be compiled: its output is flex_attention's, changed element by element (every version so far),
`view_offset()` compiles and is wrong: v is inside a larger tensor and is read at its start (every version so far).
"""

from math import ceil

import torch
from torch import nn
from torch.nn.attention.flex_attention import BlockMask, flex_attention

HEADS, DIM, BLOCK = 2, 64, 128
WIDTH = HEADS * DIM


def split_heads(x: torch.Tensor) -> torch.Tensor:
    return x.unflatten(-1, (HEADS, DIM)).transpose(1, 2)


class Attention(nn.Module):
    """The model that compiles."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def forward(self, x: torch.Tensor, mask: BlockMask) -> torch.Tensor:
        q, k, v = self.heads(x)
        return self.out(flex_attention(q, k, v, block_mask=mask).transpose(1, 2).flatten(2))

    def heads(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        q, k, v = (split_heads(project(x)) for project in (self.query, self.key, self.value))
        return q.contiguous(), k.contiguous(), v  # unnecessary with the recipe cpu-flex-query-view


class QueryView(Attention):
    """The usual way to write it, without the copies. The recipe cpu-flex-query-view fixes it."""

    def heads(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return split_heads(self.query(x)), split_heads(self.key(x)), split_heads(self.value(x))


class Epilogue(Attention):
    """Returns the weighted heads, not merged yet. The recipe cpu-flex-epilogue fixes it, and so does weighting v instead."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Parameter(torch.rand(HEADS, 1, 1))

    def forward(self, x: torch.Tensor, mask: BlockMask) -> torch.Tensor:
        q, k, v = self.heads(x)
        return flex_attention(q, k, v, block_mask=mask) * self.gate


class ViewOffset(Attention):
    """One projection for q, k and v; v, the last third of its output, is not copied. `v.contiguous()` fixes it."""

    def __init__(self) -> None:
        super().__init__()
        self.joint = nn.Linear(WIDTH, 3 * WIDTH)

    def heads(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        q, k, v = (split_heads(part) for part in self.joint(x).chunk(3, dim=-1))
        return q.contiguous(), k.contiguous(), v


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
    return Attention()


def query_view() -> nn.Module:
    return QueryView()


def epilogue() -> nn.Module:
    return Epilogue()


def view_offset() -> nn.Module:
    return ViewOffset()


def example_inputs(tokens: int = 1024) -> tuple[torch.Tensor, BlockMask]:
    return torch.randn(1, tokens, WIDTH), causal_mask(tokens)
