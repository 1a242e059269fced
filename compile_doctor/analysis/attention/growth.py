"""How attention grows with the sizes of `--tokens N`: verdicts, each call's table, and what decides the next size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compile_doctor.analysis.attention.calls import AttentionCall, sites
from compile_doctor.analysis.attention.verdicts import Verdict, judge
from compile_doctor.model.evidence import Evidence, Rung
from compile_doctor.model.size_outcome import DensePath, SizeOutcome
from compile_doctor.model.sizes import dense_need


@dataclass(frozen=True)
class Step:
    """One line of the table: a size, and what is known about a site at this size."""

    tokens: int
    ran: bool
    peak: int | None
    """Bytes, measured; None if it was not measured."""
    dense: int | None
    """Bytes that the dense path needs: measured if it ran dense, else predicted from its scores."""
    fused: int | None
    """Bytes that a fused kernel would need: the smallest size's peak, grown linearly; None without one."""
    verdict: str
    reason: str = ""


def verdicts(rungs: Sequence[Rung], evidence: Evidence) -> tuple[Verdict, ...]:
    """One for each site of the largest size that ran, with the growth from the smaller ones."""
    lower = [sites(rung.evidence) for rung in rungs if rung.evidence is not None and rung.evidence is not evidence]
    return tuple(
        judge(site, evidence, [one for found in lower for one in found if one.key == site.key])
        for site in sites(evidence)
    )


def size_outcome(tokens: int, evidence: Evidence, rungs: Sequence[Rung]) -> SizeOutcome:
    """The outcome of a size in short, with the growth from the smaller ones in `rungs`."""
    finished = not evidence.failure("compiled") and evidence.phases.get("compiled") == "done"
    fails_eagerly = evidence.phases.get("eager") == "failed"
    found = verdicts(rungs, evidence) if finished and not fails_eagerly else ()
    return SizeOutcome(
        tokens,
        finished,
        fails_eagerly,
        has_attention=evidence.has_attention,
        is_dense=any(one.verdict in ("dense", "mixed") for one in found),
        is_fused=all(one.verdict == "fused" for one in found),
        dense_paths=tuple(path for one in found if (path := dense_path(one.site, tokens)) is not None),
        memory_left=evidence.facts.memory_left,
    )


def dense_path(site: AttentionCall, tokens: int) -> DensePath | None:
    """What the dense path needs at `tokens`, at which the site was seen.

    From what was measured if it ran dense, else from its scores. Queries of another length than the keys (a decoding
    step, a fixed set of latents) are assumed not to grow.
    """
    if site.dense_bytes is None or site.query is None or site.tokens is None or not tokens:
        return None
    squared = len(site.query.shape) < 2 or site.query.shape[-2] == site.tokens
    pairs = site.query.shape[-2] * site.tokens if len(site.query.shape) > 1 else 0
    estimate = dense_need(site.dense_bytes / 4, pairs if site.api == "flex_attention" else 0)
    return DensePath(tokens, site.peak if site.ran_dense and site.peak else estimate, squared)


def _is_fused(site: AttentionCall) -> bool:
    """Whether its memory can be that of a fused kernel: nothing dense ran, and a kernel was lowered or ran eagerly."""
    return not site.ran_dense and (any(one.lowered for one in site.lowerings) or bool(site.eager))


def steps(verdict: Verdict, rungs: Sequence[Rung]) -> list[Step]:
    """The ladder of one site, smallest size first."""
    measured: list[tuple[int, AttentionCall]] = []
    found = []
    for rung in rungs:
        site = None
        if rung.evidence is not None:
            site = next((one for one in sites(rung.evidence) if one.key == verdict.site.key), None)
        lowest = next(((tokens, one) for tokens, one in measured if one.peak and _is_fused(one)), None)
        fused = int(lowest[1].peak * rung.tokens / lowest[0]) if lowest and lowest[1].peak else None
        if site is None or rung.evidence is None:
            last = measured[-1] if measured else None
            path = dense_path(last[1], last[0]) if last else None
            guessed = f"{verdict.verdict} (from growth)" if verdict.verdict in ("dense", "mixed") else "not run"
            reason = rung.reason or "the site was not reached at this size"
            needed = path.at(rung.tokens) if path else None
            found.append(Step(rung.tokens, False, None, needed, fused, guessed, reason))
            continue
        judged = judge(site, rung.evidence, [one for _, one in measured])
        measured.append((rung.tokens, site))
        path = dense_path(site, rung.tokens)
        own = fused if fused is not None else (site.peak if _is_fused(site) else None)
        # What surrounds the call was held beside a fused kernel too: where the scores are small, it takes more than they do.
        needed = max(path.need, site.peak or 0) if path else None
        found.append(Step(rung.tokens, True, site.peak, needed, own, judged.verdict))
    return found
