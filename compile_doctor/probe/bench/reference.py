"""What attention has to give, in float64, on as many queries as are cheap: a query's output depends on no other query."""

from __future__ import annotations

import torch

from compile_doctor.probe.parity.cases import Problem

QUERIES = 64
"""How many are looked at, spread over the sequence, its first and last among them."""
CHUNK = 512
"""Queries for which the mask is made at a time: indices take 8 bytes."""


def sampled_rows(problem: Problem) -> tuple[torch.Tensor, torch.Tensor]:
    """(positions (R,), expected output float64 (B, H, R, D)), on the CPU, from the masks' plain definition."""
    case = problem.case
    rows = torch.linspace(0, case.queries - 1, min(QUERIES, case.queries)).long()
    q, k, v = (tensor.detach().to("cpu", torch.float64) for tensor in (problem.q, problem.k, problem.v))
    shared = q.shape[1] // k.shape[1]
    k, v = (tensor.repeat_interleave(shared, 1) for tensor in (k, v))
    scores = q[:, :, rows] @ k.transpose(-1, -2) * (case.scale or case.head_dim**-0.5)
    if case.mask is not None:
        for number, row in enumerate(rows.tolist()):
            seen = torch.zeros(case.keys, dtype=torch.bool)
            seen[list(case.mask.attended(0, row, case.keys))] = True
            scores[:, :, number, ~seen] = float("-inf")
    return rows, torch.softmax(scores, -1) @ v


def tolerance(dtype: torch.dtype, expected: torch.Tensor) -> float:
    """For a mean of values weighted by softmax, relative to the largest: scores of up to about 5 round by a few steps
    of the dtype, in float32 also by the sum of the head's products (8 steps for 64). Four times that for the worst."""
    steps = 64 if dtype in (torch.float32, torch.float64) else 16
    return steps * torch.finfo(dtype).eps * float(expected.abs().max())


def allowed_pairs(problem: Problem) -> torch.Tensor | None:
    """bool (1, 1, S, T) for SDPA's attn_mask, None where every query attends to every key."""
    case, mod = problem.case, problem.mask_mod
    if mod is None:
        return None
    made = torch.empty(1, 1, case.queries, case.keys, dtype=torch.bool, device=problem.device)
    keys, nothing = torch.arange(case.keys, device=problem.device), torch.zeros((), dtype=torch.long)
    for start in range(0, case.queries, CHUNK):
        queries = torch.arange(start, min(start + CHUNK, case.queries), device=problem.device)
        made[0, 0, start : start + CHUNK] = mod(nothing, nothing, queries[:, None], keys[None])
    return made
