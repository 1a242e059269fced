"""A small routed language model with four habits that break the graph, each at a different line."""

import logging

import torch
from torch import nn

log = logging.getLogger(__name__)
WIDTH, EXPERTS = 32, 4


class Router(nn.Module):
    """Sends each token to one expert; tokens of an unused expert are not computed."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(WIDTH, EXPERTS)
        self.experts = nn.ModuleList([nn.Linear(WIDTH, WIDTH) for _ in range(EXPERTS)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        choice = self.gate(x).argmax(-1)
        busiest = torch.stack([(choice == i).sum() for i in range(EXPERTS)]).max().item()  # 1: a tensor to a number
        log.warning("busiest expert has %d tokens", busiest)  # 2: logging
        return torch.stack([(choice == i).unsqueeze(-1) * expert(x) for i, expert in enumerate(self.experts)]).sum(0)


class Head(nn.Module):
    """Clamps runaway scores, and returns those of the tokens that are not padding."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor, padding: torch.Tensor) -> torch.Tensor:
        scores = self.out(x)
        if scores.abs().max() > 50.0:  # 3: a branch on a tensor's value
            scores = scores.clamp(-50.0, 50.0)
        return scores[~padding].mean(0)  # 4: the shape depends on the values


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(100, WIDTH)
        self.router = Router()
        self.head = Head()

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.embed(tokens)
        x = x + self.router(x)
        return self.head(x, tokens == 0)


def build_model() -> nn.Module:
    return Model()


def example_inputs() -> tuple[torch.Tensor]:
    return (torch.arange(2 * 12).reshape(2, 12) % 7,)
