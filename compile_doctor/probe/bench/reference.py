"""The expected output of attention, in float64, for a sample of queries: no query's output depends on another query."""

from __future__ import annotations

import torch

from compile_doctor.probe.parity.cases import Problem
from compile_doctor.probe.parity.tolerance import DRIFT_FACTOR, tolerance

QUERIES = 64
"""How many queries are checked, spread over the sequence, including the first and the last."""
CHUNK = 512
"""The mask is made for this many queries at once: indices take 8 bytes."""


class Sample:
    """The expected output of some queries, and how far an implementation's output may differ from it."""

    def __init__(self, problem: Problem) -> None:
        case = problem.case
        self.rows = torch.linspace(0, case.queries - 1, min(QUERIES, case.queries)).long()
        exact = _attend(problem, self.rows, torch.float64)
        plain = _attend(problem, self.rows, problem.q.dtype).double()
        size = _attend(problem, self.rows, torch.float64, absolute=True)
        self.expected = exact
        # Parity's tolerance, and its DRIFT: twice the error of a plain program in the same dtype. Both count as right.
        self.allowed = max(tolerance(problem, "output", size), DRIFT_FACTOR * difference(plain, exact))

    def compare(self, output: torch.Tensor) -> tuple[float, float]:
        """(largest absolute difference, allowed difference) for an output (B, H, S, D)."""
        return difference(output.detach()[:, :, self.rows].to("cpu", torch.float64), self.expected), self.allowed


def _attend(problem: Problem, rows: torch.Tensor, dtype: torch.dtype, absolute: bool = False) -> torch.Tensor:
    """(B, H, R, D) for the queries at `rows`, on the CPU, from the masks' plain definition; with |v| if `absolute`."""
    case = problem.case
    q, k, v = (tensor.detach().to("cpu", dtype) for tensor in (problem.q, problem.k, problem.v))
    shared = q.shape[1] // k.shape[1]
    k, v = (tensor.repeat_interleave(shared, 1) for tensor in (k, v.abs() if absolute else v))
    scores = q[:, :, rows] @ k.mT * (case.scale or case.head_dim**-0.5)
    if case.mask is not None:
        for number, row in enumerate(rows.tolist()):
            masked = torch.ones(case.keys, dtype=torch.bool)
            masked[list(case.mask.attended(0, row, case.keys))] = False
            scores[:, :, number, masked] = float("-inf")
    return torch.softmax(scores, -1) @ v


def difference(mine: torch.Tensor, other: torch.Tensor) -> float:
    """The largest absolute difference; NaN if either has a NaN."""
    return float((mine - other).abs().max())


def allowed_pairs(problem: Problem) -> torch.Tensor | None:
    """bool (1, 1, S, T) for SDPA's attn_mask; None if every query attends to every key."""
    case, mod = problem.case, problem.mask_mod
    if mod is None:
        return None
    made = torch.empty(1, 1, case.queries, case.keys, dtype=torch.bool, device=problem.device)
    keys, nothing = torch.arange(case.keys, device=problem.device), torch.zeros((), dtype=torch.long)
    for start in range(0, case.queries, CHUNK):
        queries = torch.arange(start, min(start + CHUNK, case.queries), device=problem.device)
        made[0, 0, start : start + CHUNK] = mod(nothing, nothing, queries[:, None], keys[None])
    return made
