"""A transformer block on SDPA, and its drop-in with packed documents and a sliding window if the configuration sets them.

`Block` is the usual block. `PackedBlock` adds no parameters, so state dicts fit both ways, and with the default
`Config()` it makes the same SDPA call: `build_model()` changes nothing. `Config(packed=True)` separates the documents
in one row, and `Config(window=256)` lets a token see only the last 256; the variants have one of these, or both. Then
attention is flex_attention, and the model creates one mask for all its blocks, block by block in the compiled graph: no
table of tokens × tokens. On a CPU flex_attention has no backward: train there with the default, or see `explain
cpu-flex-eager-backward`.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention.flex_attention import BlockMask, flex_attention

HEADS, DIM, LAYERS, BLOCK, LENGTHS = 4, 32, 2, 128, (300, 40, 500, 130, 54)
WIDTH = HEADS * DIM


@dataclass(frozen=True)
class Config:
    """`packed`: a row holds several documents. `window`: how many tokens one sees, itself included; None: all earlier ones."""

    packed: bool = False
    window: int | None = None


class Block(nn.Module):
    """Pre-norm, causal, on SDPA."""

    def __init__(self) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(WIDTH)
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.norm_feed = nn.LayerNorm(WIDTH)
        self.feed = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x: torch.Tensor, mask: BlockMask | None = None) -> torch.Tensor:
        y = self.norm_attention(x)
        q, k, v = (
            project(y).unflatten(-1, (HEADS, DIM)).transpose(1, 2) for project in (self.query, self.key, self.value)
        )
        x = x + self.out(self.attend(q, k, v, mask).transpose(1, 2).flatten(2))
        return x + self.feed(self.norm_feed(x))

    def attend(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: BlockMask | None) -> torch.Tensor:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)


class PackedBlock(Block):
    """The same; with a mask, flex_attention instead of SDPA."""

    def attend(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: BlockMask | None) -> torch.Tensor:
        if mask is None:
            return super().attend(q, k, v, mask)
        # On a CPU, torch 2.13 to 2.15 cannot compile a query or key that is only a view of a Linear's output.
        # `compile-doctor explain cpu-flex-query-view`: with that recipe, this line can go.
        q, k = q.contiguous(), k.contiguous()
        return flex_attention(q, k, v, block_mask=mask)


class Model(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.blocks = nn.ModuleList([PackedBlock() for _ in range(LAYERS)])

    def forward(self, x: torch.Tensor, document: torch.Tensor) -> torch.Tensor:
        """`x` is (batch, tokens, width); `document`, (batch, tokens), the number of each token's document, which never decreases."""
        mask = None if self.config == Config() else block_mask(document, self.config)
        for block in self.blocks:
            x = block(x, mask)
        return x


def block_mask(document: torch.Tensor, config: Config) -> BlockMask:
    """Causal, within a document or a window. A block of 128 queries sees the blocks of keys from where its first token does."""
    batch, tokens = document.shape
    window = config.window or tokens

    def seen(b: torch.Tensor, h: torch.Tensor, q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        near = (q >= k) & (q - k < window)
        return near & (document[b, q] == document[b, k]) if config.packed else near

    start = torch.arange(0, tokens, BLOCK, device=document.device).expand(batch, -1)
    earliest = (start - window + 1).clamp(min=0)
    if config.packed:  # the numbers are sorted: a document starts where its number would be inserted
        earliest = torch.maximum(earliest, torch.searchsorted(document, document[:, ::BLOCK].contiguous()))
    first, last = earliest // BLOCK, start // BLOCK
    order = (first[..., None] + torch.arange(start.shape[1], device=document.device)) % start.shape[1]
    return BlockMask.from_kv_blocks(
        (last - first + 1)[:, None].int(),
        order[:, None].int(),
        BLOCK_SIZE=BLOCK,
        mask_mod=seen,
        seq_lengths=(tokens, tokens),
    )


def build_model() -> nn.Module:
    return Model(Config())


def packed() -> nn.Module:
    return Model(Config(packed=True))


def windowed() -> nn.Module:
    return Model(Config(window=256))


def packed_windowed() -> nn.Module:
    return Model(Config(packed=True, window=256))


def example_inputs(tokens: int = 1024) -> tuple[torch.Tensor, torch.Tensor]:
    lengths = torch.tensor(LENGTHS).repeat(tokens // sum(LENGTHS) + 1)
    document = torch.arange(len(lengths)).repeat_interleave(lengths)[:tokens]
    return torch.randn(1, tokens, WIDTH), document[None]
