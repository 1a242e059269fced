"""The sizes of `--tokens N`: which are run, what the dense path would need at the next one, and when to stop."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from compile_doctor.analysis.attention.calls import Site, sites
from compile_doctor.analysis.attention.verdicts import Verdict, judge
from compile_doctor.model.evidence import Evidence, Rung
from compile_doctor.model.sizes import dense_need

FIRST = 1024
"""The smallest size is at most this: dense attention there is a matter of megabytes."""
STEP = 4
"""Twice the side of a square grid of tokens, and sixteen times the scores."""
SMALLEST = 256


@dataclass(frozen=True)
class Step:
    """One line of the table: a size, and what is known of a site there."""

    tokens: int
    ran: bool
    peak: int | None
    """Bytes, measured; None where it was not."""
    dense: int | None
    """Bytes that the dense path needs: measured where it ran dense, else predicted from its scores."""
    fused: int | None
    """Bytes that a fused kernel would need: the smallest size's peak, grown linearly; None without one."""
    verdict: str
    reason: str = ""


def sizes(tokens: int) -> list[int]:
    """At most three: a small one, four times that, and `tokens` itself; one where `tokens` is small."""
    low = tokens
    while low > FIRST or (low == tokens and low >= STEP * SMALLEST):
        low = _smaller(low)
    # Two sizes close to each other would tell nothing about growth.
    return sorted({size for size in (low, low * STEP) if size * 2 <= tokens} | {tokens})


def _smaller(size: int) -> int:
    """A quarter: of a square grid the square of half its side; else, where the division leaves a rest, whole blocks of 64."""
    side = math.isqrt(size)
    if side * side == size:
        return ((side + 1) // 2) ** 2
    return size // STEP if size % STEP == 0 else max(64, round(size / STEP / 64) * 64)


def verdicts(rungs: Sequence[Rung], evidence: Evidence) -> tuple[Verdict, ...]:
    """One per site of the largest size that was run, with the growth from the smaller ones."""
    lower = [sites(rung.evidence) for rung in rungs if rung.evidence is not None and rung.evidence is not evidence]
    return tuple(
        judge(site, evidence, [one for found in lower for one in found if one.key == site.key])
        for site in sites(evidence)
    )


def stop(rungs: Sequence[Rung], size: int, left: int | None) -> tuple[str, int | None]:
    """(why not to run `size`, what dense would need there): an empty reason means run it.

    Needs at least one rung that ran. A dense model is plain after two sizes; one that is not proven to be fused is run
    only where its dense path would fit.
    """
    last = next(rung for rung in reversed(rungs) if rung.evidence is not None)
    evidence = last.evidence
    assert evidence is not None
    if evidence.failure("compiled") or evidence.phases.get("compiled") != "done":
        return "the run at the size below did not come to its end", None
    if any(rung.evidence is not None and rung.evidence.phases.get("eager") == "failed" for rung in rungs):
        return "the target fails in eager mode too", None
    found = verdicts(rungs, evidence)
    needed = max((predicted_dense(one.site, last.tokens, size) or 0 for one in found), default=0) or None
    dense = [one for one in found if one.verdict in ("dense", "mixed")]
    if dense and len([rung for rung in rungs if rung.evidence is not None]) > 1:
        return "dense at the sizes below: the verdict is plain", needed
    unproven = [one for one in found if one.verdict != "fused"]
    if unproven and needed is not None and left is not None and needed > left:
        return f"its dense path would need {needed:,} bytes, and {left:,} are free", needed
    return "", needed


def refusal(evidence: Evidence) -> str:
    """Why the target does not take a size that the doctor chose: its inputs, or its eager run too, raise; else empty."""
    eager = evidence.failure("eager") if evidence.failure("compiled") else None
    failure = evidence.failure("inputs") or eager
    if failure is None:
        return ""
    said = failure.chain[-1].message.strip().split("\n", 1)[0][:200] if failure.chain else ""
    return f"the target does not take this size: {said}"


def predicted_dense(site: Site, tokens: int, size: int) -> int | None:
    """Bytes of the dense path at another size: scores grow with the square, a decoding query's with the tokens.

    From what was measured where it ran dense, else from its scores. Queries of another length than the keys (a decoding
    step, a fixed set of latents) are taken to stay as they are.
    """
    if site.dense_bytes is None or site.query is None or site.tokens is None or not tokens:
        return None
    ratio = size / tokens
    squared = len(site.query.shape) < 2 or site.query.shape[-2] == site.tokens
    pairs = site.query.shape[-2] * site.tokens if len(site.query.shape) > 1 else 0
    estimate = dense_need(site.dense_bytes / 4, pairs if site.api == "flex_attention" else 0)
    known = site.peak if site.ran_dense and site.peak else estimate
    return int(known * (ratio**2 if squared else ratio))


def _is_fused(site: Site) -> bool:
    """Whether its memory can be that of a fused kernel: nothing dense ran, and a kernel was lowered or ran eagerly."""
    return not site.ran_dense and (any(one.lowered for one in site.lowerings) or bool(site.eager))


def steps(verdict: Verdict, rungs: Sequence[Rung]) -> list[Step]:
    """The ladder of one site, smallest size first."""
    measured: list[tuple[int, Site]] = []
    found = []
    for rung in rungs:
        site = None
        if rung.evidence is not None:
            site = next((one for one in sites(rung.evidence) if one.key == verdict.site.key), None)
        lowest = next(((tokens, one) for tokens, one in measured if one.peak and _is_fused(one)), None)
        fused = int(lowest[1].peak * rung.tokens / lowest[0]) if lowest and lowest[1].peak else None
        if site is None or rung.evidence is None:
            last = measured[-1] if measured else None
            needed = predicted_dense(last[1], last[0], rung.tokens) if last else None
            guessed = f"{verdict.verdict} (from growth)" if verdict.verdict in ("dense", "mixed") else "not run"
            reason = rung.reason or "the site was not reached at this size"
            found.append(Step(rung.tokens, False, None, needed, fused, guessed, reason))
            continue
        judged = judge(site, rung.evidence, [one for _, one in measured])
        measured.append((rung.tokens, site))
        needed = predicted_dense(site, rung.tokens, rung.tokens)
        own = fused if fused is not None else (site.peak if _is_fused(site) else None)
        found.append(Step(rung.tokens, True, site.peak, needed, own, judged.verdict))
    return found
