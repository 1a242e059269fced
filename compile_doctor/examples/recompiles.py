"""A decoding step that is compiled again at every call: it counts in an int, and gets a new function each time."""

from collections.abc import Callable

import torch
from torch import nn

WIDTH, TOKENS = 32, 8
ScoreMod = Callable[[torch.Tensor], torch.Tensor]


class DecoderStep(nn.Module):
    """One query against a cache that has its full size from the start; `position` is the length that is filled."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(WIDTH, WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.position = 0

    def forward(self, x: torch.Tensor, cache: torch.Tensor, score_mod: ScoreMod) -> torch.Tensor:
        scores = self.query(x) @ cache.transpose(-1, -2)
        scores = score_mod(scores)  # a new closure at every call
        filled = torch.arange(TOKENS) <= self.position  # an int attribute: a constant of the graph
        self.position += 1
        weights = scores.masked_fill(~filled, float("-inf")).softmax(-1)
        return x + self.out(weights @ cache)


def soft_cap(cap: float) -> ScoreMod:
    def score_mod(scores: torch.Tensor) -> torch.Tensor:
        return cap * torch.tanh(scores / cap)

    return score_mod


def build_model() -> nn.Module:
    return DecoderStep()


def example_input_sets() -> list[tuple[torch.Tensor, torch.Tensor, ScoreMod]]:
    x, cache = torch.randn(1, 1, WIDTH), torch.randn(1, TOKENS, WIDTH)
    return [(x, cache, soft_cap(20.0)), (x, cache, soft_cap(30.0)), (x, cache, soft_cap(30.0))]
