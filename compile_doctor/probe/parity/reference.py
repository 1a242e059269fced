"""Attention in float64, in plain formulas: without torch's attention code, its mask helpers, or autograd.

For one head, with A the allowed pairs and s = score_mod(scale · q kᵀ), rows are queries and columns are keys:

    p = softmax(s) over A, zero for a row that may attend to nothing        o = p v
    dv = pᵀ do      dp = do vᵀ      ds = p ∘ (dp − Σ_k p ∘ dp)      dq = scale · (ds ∘ score_mod') k      dk alike

Each result has its `size`: the same sums over absolute values, with which rounding errors grow
(Higham, Accuracy and Stability of Numerical Algorithms, chapter 3).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from compile_doctor.probe.parity.cases import Problem


@dataclass(frozen=True)
class Reference:
    """The expected results, all float64, on the CPU. Gradients are those of Σ output ∘ problem.gradient."""

    output: torch.Tensor
    """(B, H, S, D)"""
    weights: torch.Tensor
    """(B, H, S, T): the softmax."""
    gradients: dict[str, torch.Tensor]
    """`q`, `k` and `v`, each like its tensor."""
    sizes: dict[str, torch.Tensor]
    """`output`, `q`, `k`, `v`: the sums over absolute values."""


def reference(problem: Problem) -> Reference:
    """Computed head by head. Query head h of H reads key-value head h // (H / G): blocks, as in flex_attention and SDPA."""
    q, k, v, upstream = (one.detach().cpu().double() for one in (problem.q, problem.k, problem.v, problem.gradient))
    batches, heads, queries, dim = q.shape
    keys, group, score = k.shape[2], heads // k.shape[1], problem.case.score
    scale = problem.case.scale if problem.case.scale is not None else 1 / dim**0.5
    weights = torch.zeros(batches, heads, queries, keys, dtype=torch.float64)
    output, sizes = torch.zeros_like(q), {"output": torch.zeros_like(q)}
    gradients = {"q": torch.zeros_like(q), "k": torch.zeros_like(k), "v": torch.zeros_like(v)}
    sizes |= {name: torch.zeros_like(one) for name, one in gradients.items()}
    for b in range(batches):
        for h in range(heads):
            kv = h // group
            raw, p = weights_of(problem, b, h, kv)
            weights[b, h], output[b, h] = p, p @ v[b, kv]
            do = upstream[b, h]
            dp = do @ v[b, kv].T
            ds = p * (dp - (p * dp).sum(1, keepdim=True))
            dp_size = do.abs() @ v[b, kv].abs().T
            ds_size = p * (dp_size + (p * dp_size).sum(1, keepdim=True))
            if score is not None:
                ds, ds_size = ds * score.slope(raw), ds_size * score.slope(raw)
            gradients["q"][b, h] = scale * (ds @ k[b, kv])
            gradients["k"][b, kv] += scale * (ds.T @ q[b, h])
            gradients["v"][b, kv] += p.T @ do
            sizes["output"][b, h] = p @ v[b, kv].abs()
            sizes["q"][b, h] = scale * (ds_size @ k[b, kv].abs())
            sizes["k"][b, kv] += scale * (ds_size.T @ q[b, h].abs())
            sizes["v"][b, kv] += p.T @ do.abs()
    return Reference(output, weights, gradients, sizes)


def weights_of(problem: Problem, batch: int, head: int, key_head: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(scale · q kᵀ, the softmax of its score_mod) of one query head over one key head, float64 (S, T) each."""
    q, k = (one.detach().cpu().double() for one in (problem.q[batch, head], problem.k[batch, key_head]))
    scale = problem.case.scale if problem.case.scale is not None else 1 / q.shape[1] ** 0.5
    raw, score = scale * (q @ k.T), problem.case.score
    s = raw if score is None else score.plain(raw, head, problem.q.shape[1])
    everything = torch.ones(s.shape, dtype=torch.bool)
    return raw, _softmax(s, everything if problem.allowed is None else problem.allowed[batch, 0])


def _softmax(scores: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
    made = torch.zeros_like(scores)
    for row in range(scores.shape[0]):
        chosen = allowed[row]
        if chosen.any():
            powers = torch.exp(scores[row, chosen] - scores[row, chosen].max())
            made[row, chosen] = powers / powers.sum()
    return made


def plain(problem: Problem) -> Reference:
    """The same formulas in the problem's own dtype, each step rounded to it (sums inside a product are not).

    This is what a straightforward program would compute, so its error is explained by the dtype. `sizes` is empty.
    """
    q, k, v, upstream = (one.detach().cpu() for one in (problem.q, problem.k, problem.v, problem.gradient))
    batches, heads = q.shape[:2]
    group = heads // k.shape[1]
    scale = problem.case.scale if problem.case.scale is not None else 1 / q.shape[3] ** 0.5
    k, v = (one.repeat_interleave(group, 1) for one in (k, v))
    raw = (q @ k.mT) * scale
    score, s = problem.case.score, raw
    if score is not None:
        wide = raw.double()
        s = torch.stack([torch.stack([score.plain(one[h], h, heads) for h in range(heads)]) for one in wide]).to(raw)
    if problem.allowed is not None:
        s = s.masked_fill(~problem.allowed, float("-inf"))
    p = torch.nan_to_num(torch.softmax(s, -1))
    dp = upstream @ v.mT
    ds = p * (dp - (p * dp).sum(-1, keepdim=True))
    if score is not None:
        ds = ds * score.slope(raw.double()).to(raw)
    shape = (batches, heads // group, group)
    gradients = {
        "q": (ds @ k) * scale,
        "k": ((ds.mT @ q) * scale).unflatten(1, shape[1:]).sum(2),
        "v": (p.mT @ upstream).unflatten(1, shape[1:]).sum(2),
    }
    return Reference(p @ v, p, gradients, {})
