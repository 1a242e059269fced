"""How far a result may be from the float64 reference: only from the dtype and the length of the sums.

Let eps be the dtype's spacing at 1, eps32 that of float32, in which the sums are computed; D the head size, n the longest
sum over keys (for gradients, over keys or queries), and `size` the same sum over absolute values (see `reference`). A sum
of n products has an error of about eps32 · √n · size: independent rounding errors add up like a random walk (Higham
and Mary, SIAM J. Sci. Comput. 41(5), 2019). So are the scores, by √D times their spread σ = scale · √D, which is 1 for
the usual scale. Intermediate results that are rounded to the dtype itself add eps/2 each: the weights and the output add
one eps · size; for gradients, the output and dS make it two.

    tolerance = (eps32 · (σ √D + √n) + c · eps) · size,   c = 1 forward, 2 backward; 0 in float32, where eps is eps32

`size` is the largest of the tensor. The error of a float32 result with a single wrong key is hundreds of times larger.

DRIFT is an error beyond that, but within DRIFT_FACTOR times the error of a plain implementation that rounds every
intermediate result to the dtype: a less precise algorithm for the same attention, not another attention.
"""

from __future__ import annotations

import torch

from compile_doctor.probe.parity.cases import Problem

EPS32 = torch.finfo(torch.float32).eps
DRIFT_FACTOR = 2.0


def tolerance(problem: Problem, name: str, size: torch.Tensor) -> float:
    """The allowed absolute error of `output`, or of the gradient of `q`, `k` or `v`."""
    case, dtype = problem.case, problem.q.dtype
    group = problem.q.shape[1] // problem.k.shape[1]
    longest = case.keys if name in ("output", "q") else max(case.keys, case.queries * group)
    root = case.head_dim**0.5
    spread = max(1.0, (case.scale or 1 / root) * root)
    sums = EPS32 * (spread * root + longest**0.5)
    rounding = 0.0 if dtype == torch.float32 else torch.finfo(dtype).eps * (1 if name == "output" else 2)
    return float((sums + rounding) * size.max())
