"""A typical GPT: rotary positions, MHA, GQA or MQA, on SDPA or flex_attention, with a KV cache.

`attention_impl` chooses between `"sdpa"` and `"flex"`, `kv_heads` between MHA, GQA and MQA; `build_model()` is MHA on
SDPA, and each other combination has a name. `model(tokens)` is the full run, causal and without a cache. With a cache,
`model(prompt, cache)` is prefill, and each further `model(chunk, cache)` decodes one token or several: two graphs.
The position in the cache is a tensor that is updated in place, and flex_attention's mask_mod, created once, captures it: a step
differs from the one before only in values, and nothing is compiled again. No mask is a table of tokens × tokens.

The cache is for inference: no gradient flows through what it keeps. On a CPU flex_attention has no backward at all: use
`--grad` there with the variants on SDPA, or with `--patches cpu-flex-eager-backward`, which trains dense, after a graph
break. Also on a CPU, torch 2.8 has no fused SDPA kernel for GQA and MQA, and needs the recipe cpu-flex-openmp for flex.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention.flex_attention import BlockMask, flex_attention

BLOCK = 128
Mask = BlockMask | torch.Tensor | None  # for flex_attention, for SDPA, for SDPA with is_causal


@dataclass(frozen=True)
class Config:
    """`kv_heads` divides `heads`: as many is MHA, fewer is GQA, one is MQA."""

    attention_impl: Literal["sdpa", "flex"] = "sdpa"
    heads: int = 4
    kv_heads: int = 4
    head_dim: int = 32
    """Not 8 or 16: a CPU's compiled flex_attention is wrong then at some lengths (`explain cpu-flex-narrow-heads`)."""
    layers: int = 2
    vocabulary: int = 128

    @property
    def width(self) -> int:
        return self.heads * self.head_dim


class Cache:
    """Keys and values of each layer, (batch, kv_heads, size, head_dim) from the start, filled in place.

    `position` is the number of tokens in it. It is a tensor: an int would be a constant of the graph.
    """

    def __init__(self, config: Config, batch: int, size: int, like: torch.Tensor) -> None:
        shape = (batch, config.kv_heads, size, config.head_dim)
        self.keys = [like.new_zeros(shape) for _ in range(config.layers)]
        self.values = [like.new_zeros(shape) for _ in range(config.layers)]
        self.position = torch.zeros((), dtype=torch.int64, device=like.device)
        self.size = size
        self.empty = True
        self.mask_mod = causal_from(self.position)

    def write(self, layer: int, place: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> None:
        self.keys[layer].index_copy_(2, place, k.detach())
        self.values[layer].index_copy_(2, place, v.detach())


def causal(batch: torch.Tensor, head: torch.Tensor, q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    return q >= k


def causal_from(position: torch.Tensor) -> Callable[..., torch.Tensor]:
    """The same if the first query is at `position`. Created once: a new function at every step is compiled again."""

    def mask_mod(batch: torch.Tensor, head: torch.Tensor, q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        return position + q >= k

    return mask_mod


def causal_mask(place: torch.Tensor, keys: int, mask_mod: Callable[..., torch.Tensor]) -> BlockMask:
    """The mask of the queries at `place`, which are consecutive, over the positions 0 to `keys`.

    A block of 128 queries sees whole blocks of 128 keys (mask_mod is not called there), then those up to its own last
    token in part. Without both kinds a CPU's kernel for a single query does not compile (`explain cpu-flex-decode-blocks`).
    """
    first = place[::BLOCK]
    last = torch.minimum(first + BLOCK - 1, place[-1])
    whole = (first + 1) // BLOCK
    order = torch.arange((keys + BLOCK - 1) // BLOCK, device=place.device)
    after = (whole[:, None] + order) % len(order)
    return BlockMask.from_kv_blocks(
        (last // BLOCK + 1 - whole)[None, None].int(),
        after[None, None].int(),
        whole[None, None].int(),
        order.expand_as(after)[None, None].int(),
        BLOCK_SIZE=BLOCK,
        mask_mod=mask_mod,
        seq_lengths=(len(place), keys),
    )


def rotate(x: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """Rotary positions (Su et al. 2021, arXiv:2104.09864), the halves of a head as pairs."""
    half = x.shape[-1] // 2
    frequency = 10000.0 ** (-torch.arange(half, device=x.device) / half)
    angle = place[:, None] * frequency
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


class Attention(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.query = nn.Linear(config.width, config.width)
        self.key, self.value = (nn.Linear(config.width, config.kv_heads * config.head_dim) for _ in range(2))
        self.out = nn.Linear(config.width, config.width)

    def forward(
        self, x: torch.Tensor, place: torch.Tensor, mask: Mask, layer: int, cache: Cache | None
    ) -> torch.Tensor:
        heads = (self.config.heads, self.config.kv_heads, self.config.kv_heads)
        q, k, v = (
            project(x).unflatten(-1, (n, -1)).transpose(1, 2)
            for project, n in zip((self.query, self.key, self.value), heads)
        )
        q, k = rotate(q, place), rotate(k, place)
        if cache is not None:
            cache.write(layer, place, k, v)
            if not cache.empty:
                k, v = cache.keys[layer], cache.values[layer]
        grouped = self.config.kv_heads != self.config.heads
        if self.config.attention_impl == "flex":
            attended = flex_attention(q, k, v, block_mask=mask, enable_gqa=grouped)
        else:
            attended = F.scaled_dot_product_attention(
                q, k, v, attn_mask=mask, is_causal=mask is None, enable_gqa=grouped
            )
        return self.out(attended.transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(config.width)
        self.attention = Attention(config)
        self.norm_feed = nn.LayerNorm(config.width)
        self.feed = nn.Sequential(
            nn.Linear(config.width, 4 * config.width), nn.GELU(), nn.Linear(4 * config.width, config.width)
        )

    def forward(
        self, x: torch.Tensor, place: torch.Tensor, mask: Mask, layer: int, cache: Cache | None
    ) -> torch.Tensor:
        x = x + self.attention(self.norm_attention(x), place, mask, layer, cache)
        return x + self.feed(self.norm_feed(x))


class GPT(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config.vocabulary, config.width)
        self.blocks = nn.ModuleList([Block(config) for _ in range(config.layers)])
        nn.init.normal_(self.embed.weight, std=config.width**-0.5)  # it is also the output projection
        self.norm = nn.LayerNorm(config.width)

    def forward(self, tokens: torch.Tensor, cache: Cache | None = None) -> torch.Tensor:
        """(batch, tokens) of int64 to logits (batch, tokens, vocabulary)."""
        queries = tokens.shape[1]
        full = cache is None or cache.empty
        place = torch.arange(queries, device=tokens.device)
        if cache is not None:
            place = place + cache.position
        keys = queries if full else cache.size
        if self.config.attention_impl == "flex":
            mask = causal_mask(place, keys, causal if cache is None else cache.mask_mod)
        else:
            mask = None if full else place[:, None] >= torch.arange(keys, device=tokens.device)
        x = self.embed(tokens)
        for layer, block in enumerate(self.blocks):
            x = block(x, place, mask, layer, cache)
        if cache is not None:
            cache.position += queries
            cache.empty = False
        return F.linear(self.norm(x), self.embed.weight)


def build_model() -> nn.Module:
    return GPT(Config())


def gqa() -> nn.Module:
    return GPT(Config(kv_heads=2))


def mqa() -> nn.Module:
    return GPT(Config(kv_heads=1))


def flex() -> nn.Module:
    return GPT(Config("flex"))


def gqa_flex() -> nn.Module:
    return GPT(Config("flex", kv_heads=2))


def mqa_flex() -> nn.Module:
    return GPT(Config("flex", kv_heads=1))


def example_inputs(tokens: int = 512) -> tuple[torch.Tensor]:
    return (torch.randint(128, (1, tokens)),)


def full(model: nn.Module, inputs: tuple[torch.Tensor]) -> torch.Tensor:
    """Logits of all positions, in one run."""
    return model(*inputs)


def incremental(model: nn.Module, inputs: tuple[torch.Tensor], chunk: int) -> torch.Tensor:
    """The same logits, `chunk` tokens per call. The first chunk is prefill."""
    (tokens,) = inputs
    cache = Cache(model.config, *tokens.shape, like=model.embed.weight)
    return torch.cat([model(piece, cache) for piece in tokens.split(chunk, dim=1)], dim=1)
