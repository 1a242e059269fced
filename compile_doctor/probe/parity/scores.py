"""Changes of a score before the softmax: each family is defined for flex_attention, and again on a plain matrix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

ScoreMod = Callable[[Any, Any, Any, Any, Any], Any]


@dataclass(frozen=True)
class SoftCap:
    """cap · tanh(score / cap), as in Gemma 2 (arXiv 2408.00118, section 2); the score is scaled already."""

    cap: float

    def mod(self, device: str, heads: int) -> ScoreMod:
        cap = self.cap
        return lambda score, b, h, q, k: cap * torch.tanh(score / cap)

    def plain(self, scores: torch.Tensor, head: int, heads: int) -> torch.Tensor:
        """The changed scores, float64 (S, T), of one query head."""
        grown = torch.exp(2 * scores / self.cap)
        return self.cap * (grown - 1) / (grown + 1)

    def slope(self, scores: torch.Tensor) -> torch.Tensor:
        """The derivative of `plain` by the score, for the reference's backward."""
        grown = torch.exp(2 * scores / self.cap)
        return 4 * grown / (grown + 1) ** 2

    def bias(self, heads: int, queries: int, keys: int) -> torch.Tensor | None:
        """What SDPA can add to the scores instead, float64 (H, S, T); None if it is not a sum."""
        return None


@dataclass(frozen=True)
class Alibi:
    """A penalty per head that grows with the distance (arXiv 2108.12409): slopes 2^(-8/H), 2^(-16/H), …"""

    def mod(self, device: str, heads: int) -> ScoreMod:
        slopes = torch.exp2(-8 / heads * torch.arange(1, heads + 1, dtype=torch.float32)).to(device)
        return lambda score, b, h, q, k: score - slopes[h] * (q - k)

    def plain(self, scores: torch.Tensor, head: int, heads: int) -> torch.Tensor:
        slope = 2.0 ** (-8 * (head + 1) / heads)
        distance = [[row - column for column in range(scores.shape[1])] for row in range(scores.shape[0])]
        return scores - slope * torch.tensor(distance, dtype=torch.float64)

    def slope(self, scores: torch.Tensor) -> torch.Tensor:
        return torch.ones_like(scores)

    def bias(self, heads: int, queries: int, keys: int) -> torch.Tensor | None:
        nothing = torch.zeros(queries, keys, dtype=torch.float64)
        return torch.stack([self.plain(nothing, head, heads) for head in range(heads)])


Score = SoftCap | Alibi
