"""How far a result may be from the float64 reference: from the dtype and the length of the sums, and nothing else.

Let eps be the dtype's spacing at 1, eps32 that of float32, in which the sums are taken; D the head size, n the longest
sum over keys (for gradients, over keys or queries), and `size` the same sum over absolute values (see `reference`). A sum
of n products is off by about eps32 · √n · size: rounding errors that are independent add up like a random walk (Higham
and Mary, SIAM J. Sci. Comput. 41(5), 2019). So are the scores, by √D times their spread σ = scale · √D, which is 1 for
the usual scale. What is rounded to the dtype itself on the way, at eps/2 each, comes on top: the weights and the output,
that is one eps · size; for gradients the output and dS too, two.

    tolerance = (eps32 · (σ √D + √n) + c · eps) · size,   c = 1 forward, 2 backward; 0 in float32, where eps is eps32

`size` is the largest of the tensor. A float32 result that a single wrong key went into is hundreds of times beyond it.

DRIFT is what is beyond that, but within DRIFT_FACTOR times the error of a plain implementation which rounds every
intermediate result to the dtype: a poorer algorithm of the same attention, not another attention.
"""

from __future__ import annotations

import torch

from compile_doctor.probe.parity.cases import Problem

EPS32 = torch.finfo(torch.float32).eps
DRIFT_FACTOR = 2.0


def tolerance(problem: Problem, name: str, size: torch.Tensor) -> float:
    """For `output`, or the gradient of `q`, `k` or `v`; an absolute error."""
    case, dtype = problem.case, problem.q.dtype
    group = problem.q.shape[1] // problem.k.shape[1]
    longest = case.keys if name in ("output", "q") else max(case.keys, case.queries * group)
    root = case.head_dim**0.5
    spread = max(1.0, (case.scale or 1 / root) * root)
    sums = EPS32 * (spread * root + longest**0.5)
    rounding = 0.0 if dtype == torch.float32 else torch.finfo(dtype).eps * (1 if name == "output" else 2)
    return float((sums + rounding) * size.max())
