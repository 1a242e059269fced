"""Whether what --require-fused and --require-cudagraphs ask for is proven."""

from __future__ import annotations

from compile_doctor.analysis.attention.entries import AttentionEntry
from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.model.findings import Finding


def unproven_of(attention: tuple[AttentionEntry, ...], findings: tuple[Finding, ...]) -> str:
    """Why --require-fused is not met although nothing ran dense; empty if every call is proven to be fused."""
    if any(finding.facts.dense for finding in findings):
        return "Attention keeps every score: it is written out, and no fused kernel computes it (--require-fused)."
    if not attention:
        return "No attention call was seen, so nothing is proven to be fused (--require-fused)."
    unproven = next((one for one in attention if one.verdict != "fused"), None)
    if unproven is None and not any(finding.facts.unproven for finding in findings):
        return ""
    why = f": {unproven.reason}" if unproven and unproven.reason else ""
    return f"Attention is not proven to be fused (--require-fused){why}."


def is_refuted(fused: bool, cudagraphs: bool, findings: tuple[Finding, ...]) -> bool:
    """Whether a finding shows that what was required is not so: more than that it is not proven. Its exit code is 1.

    `fused` and `cudagraphs`: whether --require-fused and --require-cudagraphs were given.
    """
    return any((fused and finding.facts.dense) or (cudagraphs and finding.facts.uncaptured) for finding in findings)


def uncaptured(seen: AnalysisContext) -> str:
    """Why --require-cudagraphs is not met; empty if every graph is captured whole."""
    if seen.evidence.cuda_graphs is None:
        return "CUDA graphs need a CUDA device, and this run used none (--require-cudagraphs)."
    if not seen.cuda_graphs:
        return 'No graph was compiled for CUDA graphs: use --mode reduce-overhead, or mode="reduce-overhead" in the target (--require-cudagraphs).'
    left = [one for one in seen.cuda_graphs if one.state != "captured"]
    if not left:
        return ""
    few = all(one.state == "not-recorded" for one in left)
    why = ": it ran too few times to be recorded; use --repeat 4" if few else ""
    return f"{len(left)} of {len(seen.cuda_graphs)} graphs are not captured whole as CUDA graphs{why} (--require-cudagraphs)."
