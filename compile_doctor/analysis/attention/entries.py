"""The `attention` part of the report: one entry per call site, with its ladder."""

from __future__ import annotations

from dataclasses import dataclass

from compile_doctor.analysis.attention.growth import Step, steps
from compile_doctor.analysis.attention.verdicts import Verdict
from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.model.evidence import Rung
from compile_doctor.model.findings import Location


@dataclass(frozen=True)
class AttentionEntry:
    """The fields of the JSON schema; `None` in `lowered`, `executed` or `bounded` means that it could not be checked."""

    location: Location
    owner: str
    api: str
    verdict: str
    kernel: str | None
    backend: str | None
    implementation: str | None
    tokens: int | None
    q_shape: tuple[int, ...] | None
    kv_shape: tuple[int, ...] | None
    dtype: str | None
    device: str | None
    peak_bytes: int | None
    dense_bytes: int | None
    lowered: bool | None
    executed: bool | None
    bounded: bool | None
    reason: str
    """Why it is not fused, or why it is unverified; empty for `fused`."""
    reasons: dict[str, str]
    """For each of `lowered`, `executed` and `bounded` that is not True, the reason."""
    ladder: tuple[Step, ...]


def attention_entries(seen: AnalysisContext) -> tuple[AttentionEntry, ...]:
    """In the order in which the sites were first seen."""
    return tuple(_entry(seen, verdict) for verdict in seen.attention)


def _entry(seen: AnalysisContext, verdict: Verdict) -> AttentionEntry:
    site = verdict.site
    query, key = site.query, site.inputs[1] if len(site.inputs) > 1 else None
    return AttentionEntry(
        location=seen.location(site.frame.file, site.frame.line, site.frame.function),
        owner=seen.owner(site.frame.file),
        api=site.api,
        verdict=verdict.verdict,
        kernel=verdict.kernel,
        backend=verdict.backend,
        implementation=verdict.implementation,
        tokens=site.tokens,
        q_shape=query.shape if query else None,
        kv_shape=key.shape if key else None,
        dtype=query.dtype if query else None,
        device=query.device if query else None,
        peak_bytes=site.peak,
        dense_bytes=site.dense_bytes,
        lowered=verdict.lowered,
        executed=verdict.executed,
        bounded=verdict.bounded,
        reason="" if verdict.verdict == "fused" else "; ".join(verdict.reasons.values()),
        reasons=dict(verdict.reasons),
        ladder=tuple(steps(verdict, seen.evidence.rungs or (Rung(site.tokens or 0, seen.evidence),))),
    )
