"""The common mistakes in attention, recognised by the softmax that the wrong implementation computes."""

from __future__ import annotations

import torch

from compile_doctor.probe.parity.cases import Problem
from compile_doctor.probe.parity.reference import weights_of

LOST = 1e-4
"""A weight below it is ignored, because so small a weight may underflow."""
LARGE = 1e-2
"""A difference of a weight or a value that is far beyond the rounding of any dtype."""


def familiar(problem: Problem, wanted: torch.Tensor, found: torch.Tensor) -> str:
    """The known mistake, in words; empty if it is none. `wanted` and `found` are the softmax, float64 (B, H, S, T)."""
    return _scaled(problem, wanted, found) or _other_head(problem, wanted, found)


def _scaled(problem: Problem, wanted: torch.Tensor, found: torch.Tensor) -> str:
    """Finds scores that are all wrong by one factor: log p is the score minus a constant of the row, so a row shows it."""
    seen = (wanted > LOST) & (found > LOST)
    of_rows = zip(*(one.flatten(0, 2) for one in (wanted, found, seen)))
    logs = [(p[chosen].log(), other[chosen].log()) for p, other, chosen in of_rows if int(chosen.sum()) > 2]
    if not logs:
        return ""
    right = torch.cat([one - one.mean() for one, _ in logs])
    wrong = torch.cat([one - one.mean() for _, one in logs])
    factor = float(right @ wrong / (right @ right))
    if abs(factor - 1) < LARGE or float((wrong - factor * right).abs().max()) > 2 * LARGE * float(wrong.abs().max()):
        return ""
    scale = problem.case.scale or problem.case.head_dim**-0.5
    return f"its scores are {factor:.3g} times the right ones: a scale of {factor * scale:.3g}, not {scale:.3g}"


def _other_head(problem: Problem, wanted: torch.Tensor, found: torch.Tensor) -> str:
    """Finds a query head that reads another key head than its own: interleaved instead of blocks, or not repeated."""
    heads, key_heads = problem.q.shape[1], problem.k.shape[1]
    far = (found[0] - wanted[0]).abs().amax((1, 2)) > LARGE
    for head in range(heads) if key_heads > 1 else ():
        if far[head]:
            own = head * key_heads // heads
            for other in range(key_heads):
                _, read = weights_of(problem, 0, head, other)
                if float((found[0, head] - read).abs().max()) < LARGE:
                    return f"query head {head} reads key head {other}, not {own}"
            return ""
    return ""
