"""Which keys a query attends to: each family is defined for flex_attention, and again as plain lists of positions.

The two definitions share only their parameters: `mod` is tested, `attended` is the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch

MaskMod = Callable[[Any, Any, Any, Any], Any]


@dataclass(frozen=True)
class Mask:
    """Base of the families. `offset`: the position of query 0, for queries that continue a cache."""

    offset: int = 0

    def attended(self, batch: int, query: int, keys: int) -> Iterable[int]:
        """The positions, out of `keys`, that this query attends to; `query` counts from 0 in the queries given."""
        raise NotImplementedError

    def mod(self, device: str) -> MaskMod:
        """`mask_mod(b, h, q_idx, kv_idx)` for flex_attention; the tensors that it captures are on `device`."""
        raise NotImplementedError

    def allowed(self, batches: int, queries: int, keys: int) -> torch.Tensor:
        """bool (B, 1, S, T), from `attended`."""
        made = torch.zeros(batches, 1, queries, keys, dtype=torch.bool)
        for batch in range(batches):
            for query in range(queries):
                made[batch, 0, query, list(self.attended(batch, query, keys))] = True
        return made


@dataclass(frozen=True)
class Causal(Mask):
    """Everything up to the query's own position."""

    def attended(self, batch: int, query: int, keys: int) -> Iterable[int]:
        return range(min(self.offset + query + 1, keys))

    def mod(self, device: str) -> MaskMod:
        offset = torch.tensor(self.offset, device=device)  # a tensor: one compilation for every step of decoding
        return lambda b, h, q, k: q + offset >= k


@dataclass(frozen=True)
class Window(Mask):
    """Causal, over the last `size` positions including the query's own (as in Mistral)."""

    size: int = 1

    def attended(self, batch: int, query: int, keys: int) -> Iterable[int]:
        end = self.offset + query + 1
        return range(max(end - self.size, 0), min(end, keys))

    def mod(self, device: str) -> MaskMod:
        offset, size = torch.tensor(self.offset, device=device), self.size
        return lambda b, h, q, k: (k <= q + offset) & (q + offset - k < size)


@dataclass(frozen=True)
class Local(Mask):
    """Both ways, up to `reach` positions away."""

    reach: int = 0

    def attended(self, batch: int, query: int, keys: int) -> Iterable[int]:
        return range(max(query - self.reach, 0), min(query + self.reach + 1, keys))

    def mod(self, device: str) -> MaskMod:
        reach = self.reach
        return lambda b, h, q, k: (q - k).abs() <= reach


@dataclass(frozen=True)
class Documents(Mask):
    """Causal within each of several packed documents; each sequence of the batch has its own."""

    lengths: tuple[tuple[int, ...], ...] = ()

    def attended(self, batch: int, query: int, keys: int) -> Iterable[int]:
        start = 0
        for length in self.lengths[batch]:
            if query < start + length:
                return range(start, query + 1)
            start += length
        return ()

    def mod(self, device: str) -> MaskMod:
        rows = [torch.arange(len(row)).repeat_interleave(torch.tensor(row)) for row in self.lengths]
        document = torch.stack(rows).to(device)
        return lambda b, h, q, k: (document[b, q] == document[b, k]) & (q >= k)


@dataclass(frozen=True)
class Padding(Mask):
    """Both ways; each sequence of the batch has its own length and is padded at its end."""

    lengths: tuple[int, ...] = ()

    def attended(self, batch: int, query: int, keys: int) -> Iterable[int]:
        return range(self.lengths[batch])

    def mod(self, device: str) -> MaskMod:
        lengths = torch.tensor(self.lengths, device=device)
        return lambda b, h, q, k: k < lengths[b]


@dataclass(frozen=True)
class LeftPadding(Mask):
    """Causal; each sequence is padded in front, as for generation. The padding's own queries attend to nothing."""

    padding: tuple[int, ...] = ()

    def attended(self, batch: int, query: int, keys: int) -> Iterable[int]:
        return range(self.padding[batch], query + 1)

    def mod(self, device: str) -> MaskMod:
        padding = torch.tensor(self.padding, device=device)
        return lambda b, h, q, k: (k >= padding[b]) & (q >= k)


@dataclass(frozen=True)
class Prefix(Mask):
    """All queries see the prefix; the rest is causal."""

    length: int = 0

    def attended(self, batch: int, query: int, keys: int) -> Iterable[int]:
        return range(max(self.length, query + 1))

    def mod(self, device: str) -> MaskMod:
        length = self.length
        return lambda b, h, q, k: (k < length) | (q >= k)


@dataclass(frozen=True)
class Images(Mask):
    """Causal text; the tokens of one image, [start, end), see each other both ways. Each sequence has its own images."""

    spans: tuple[tuple[tuple[int, int], ...], ...] = ()

    def attended(self, batch: int, query: int, keys: int) -> Iterable[int]:
        end = query + 1
        for start, stop in self.spans[batch]:
            if start <= query < stop:
                end = stop
        return range(end)

    def mod(self, device: str) -> MaskMod:
        last = max(row[-1][1] for row in self.spans)
        image = torch.full((len(self.spans), last + 1), -1)
        for batch, row in enumerate(self.spans):
            for number, (start, stop) in enumerate(row):
                image[batch, start:stop] = number
        image = image.to(device)

        def images(b: Any, h: Any, q: Any, k: Any) -> Any:
            here, there = image[b, q.clamp(max=last)], image[b, k.clamp(max=last)]
            return (q >= k) | ((here == there) & (here >= 0))

        return images
