"""The sizes of `--tokens N`: which ones run, and when to stop."""

from __future__ import annotations

import math
from collections.abc import Sequence

from compile_doctor.model.evidence import Evidence
from compile_doctor.model.size_outcome import SizeOutcome

FIRST = 1024
"""The smallest size is at most this: dense attention needs only megabytes there."""
STEP = 4
"""Twice the side of a square grid of tokens, and sixteen times the scores."""
SMALLEST = 256


def sizes(tokens: int) -> list[int]:
    """At most three: a small one, four times that, and `tokens` itself; one if `tokens` is small."""
    low = tokens
    while low > FIRST or (low == tokens and low >= STEP * SMALLEST):
        low = _smaller(low)
    # Two sizes that are close to each other would not show how memory grows.
    return sorted({size for size in (low, low * STEP) if size * 2 <= tokens} | {tokens})


def _smaller(size: int) -> int:
    """About a quarter: for a square grid the square of half its side; else exact if possible, or whole blocks of 64."""
    side = math.isqrt(size)
    if side * side == size:
        return ((side + 1) // 2) ** 2
    return size // STEP if size % STEP == 0 else max(64, round(size / STEP / 64) * 64)


def stop(ran: Sequence[SizeOutcome], size: int) -> str:
    """Why not to run `size`, according to at least one smaller size that ran; empty: run it.

    Two dense sizes decide the verdict. A model that is not proven to be fused runs only if its dense path would fit.
    """
    last = ran[-1]
    if not last.finished:
        return "the run at the next smaller size did not finish"
    if last.fails_eagerly:
        return "the target fails in eager mode too"
    if last.is_dense and len(ran) > 1:
        return "dense at the smaller sizes, which decides the verdict"
    needed, left = last.dense_need(size), last.memory_left
    if not last.is_fused and needed is not None and left is not None and needed > left:
        return f"its dense path would need {needed:,} bytes, but only {left:,} are free"
    return ""


def refusal(evidence: Evidence) -> str:
    """Why the target rejects a size that compile-doctor chose: its inputs, or its eager run too, raise; else empty."""
    eager = evidence.failure("eager") if evidence.failure("compiled") else None
    failure = evidence.failure("inputs") or eager
    if failure is None:
        return ""
    raised = failure.chain[-1].message.strip().split("\n", 1)[0][:200] if failure.chain else ""
    return f"the target does not support this size: {raised}"
