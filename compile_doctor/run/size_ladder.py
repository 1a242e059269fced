"""The sizes of `--tokens N`: which are run, and when to stop."""

from __future__ import annotations

import math
from collections.abc import Sequence

from compile_doctor.model.evidence import Evidence
from compile_doctor.model.size_outcome import SizeOutcome

FIRST = 1024
"""The smallest size is at most this: dense attention there is a matter of megabytes."""
STEP = 4
"""Twice the side of a square grid of tokens, and sixteen times the scores."""
SMALLEST = 256


def sizes(tokens: int) -> list[int]:
    """At most three: a small one, four times that, and `tokens` itself; one if `tokens` is small."""
    low = tokens
    while low > FIRST or (low == tokens and low >= STEP * SMALLEST):
        low = _smaller(low)
    # Two sizes close to each other would tell nothing about growth.
    return sorted({size for size in (low, low * STEP) if size * 2 <= tokens} | {tokens})


def _smaller(size: int) -> int:
    """A quarter: of a square grid the square of half its side; else, if the division leaves a rest, whole blocks of 64."""
    side = math.isqrt(size)
    if side * side == size:
        return ((side + 1) // 2) ** 2
    return size // STEP if size % STEP == 0 else max(64, round(size / STEP / 64) * 64)


def stop(ran: Sequence[SizeOutcome], size: int) -> str:
    """Why not to run `size`, from at least one smaller size that ran; empty: run it.

    A dense model is plain after two sizes; one that is not proven to be fused is run only if its dense path would fit.
    """
    last = ran[-1]
    if not last.finished:
        return "the run at the size below did not come to its end"
    if last.fails_eagerly:
        return "the target fails in eager mode too"
    if last.is_dense and len(ran) > 1:
        return "dense at the sizes below: the verdict is plain"
    needed, left = last.dense_need(size), last.memory_left
    if not last.is_fused and needed is not None and left is not None and needed > left:
        return f"its dense path would need {needed:,} bytes, and {left:,} are free"
    return ""


def refusal(evidence: Evidence) -> str:
    """Why the target does not take a size that the doctor chose: its inputs, or its eager run too, raise; else empty."""
    eager = evidence.failure("eager") if evidence.failure("compiled") else None
    failure = evidence.failure("inputs") or eager
    if failure is None:
        return ""
    raised = failure.chain[-1].message.strip().split("\n", 1)[0][:200] if failure.chain else ""
    return f"the target does not take this size: {raised}"
