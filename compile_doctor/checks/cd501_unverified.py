"""CD501: attention was found, but the evidence does not prove that it is fused, as requested."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.attention.calls import sites
from compile_doctor.analysis.attention.verdicts import Verdict
from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks.attention_values import at_site, seen_of
from compile_doctor.checks.base import Check
from compile_doctor.model.findings import Finding


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    tokens, required = seen.evidence.asked.settings.tokens, seen.evidence.asked.settings.require_fused
    if not tokens and not required:
        return
    if not _grows(seen):
        ran = [rung.tokens for rung in seen.evidence.rungs if rung.evidence is not None]
        for verdict in seen.attention:
            yield CHECK.finding(
                "The attention does not grow with --tokens",
                f"It had the same shapes at {' and '.join(f'{size:,}' for size in ran)} tokens, so its behaviour at "
                f"{tokens:,} tokens is unknown.",
                cause="does-not-grow",
                fix="Change example_inputs(tokens=N) so that it makes inputs of that length.",
                evidence=seen_of(verdict),
                **at_site(seen, verdict),
            )
        return
    for verdict in seen.attention:
        wrong = _layout(seen, verdict)
        if wrong:
            yield CHECK.finding(
                "The tokens are not where attention looks for them",
                wrong,
                cause="layout",
                fix="Transpose before the call: q, k, v = (t.transpose(1, 2) for t in (q, k, v)), and the result back.",
                evidence=seen_of(verdict),
                **at_site(seen, verdict),
            )
            continue
        below = (
            verdict.site.tokens is not None and bool(seen.evidence.rungs) and seen.evidence.rungs[-1].evidence is None
        )
        if verdict.bounded is False:
            continue  # CD502
        if verdict.verdict == "unverified" or (verdict.verdict == "fused" and below):
            why = next(iter(verdict.reasons.values()), "the requested size was not run")
            yield CHECK.finding(
                "Not proven to be fused" + (f" at {tokens:,} tokens" if tokens else ""),
                f"The evidence does not decide it: {why}.",
                cause="unverified",
                fix=_fix(verdict, tokens),
                evidence=seen_of(verdict),
                **at_site(seen, verdict),
            )


def _grows(seen: AnalysisContext) -> bool:
    """Whether any attention call has other shapes at the largest size than at the smallest; True without a ladder."""
    ran = [rung.evidence for rung in seen.evidence.rungs if rung.evidence is not None]
    if len(ran) < 2 or not seen.attention:
        return True
    before = {site.key: [tensor and tensor.shape for tensor in site.inputs] for site in sites(ran[0])}
    return any(
        before.get(one.site.key) != [tensor and tensor.shape for tensor in one.site.inputs] for one in seen.attention
    )


def _layout(seen: AnalysisContext, verdict: Verdict) -> str:
    """What is said if --tokens makes another dimension grow than that of the tokens: (batch, tokens, heads, width) is passed."""
    ran = [rung.evidence for rung in seen.evidence.rungs if rung.evidence is not None]
    small = next((site for site in sites(ran[0]) if site.key == verdict.site.key), None) if len(ran) > 1 else None
    before, after = (site.inputs[:2] if site else () for site in (small, verdict.site))
    shapes = [[tensor.shape for tensor in inputs if tensor and len(tensor.shape) == 4] for inputs in (before, after)]
    if [len(found) for found in shapes] != [2, 2]:
        return ""
    if not all(old[2] == new[2] and old[1] < new[1] for old, new in zip(*shapes)):
        return ""
    return (
        f"Attention takes (batch, heads, tokens, width). With --tokens, dimension 1 of query and key grows ({shapes[0][0][1]:,}, then "
        f"{shapes[1][0][1]:,}), which is that of the heads, and dimension 2 stays {shapes[1][0][2]:,}: each token attends to heads."
    )


def _fix(verdict: Verdict, tokens: int | None) -> str:
    if verdict.site.too_small is not None:
        return "Measure the call by itself: what surrounds it keeps its allocations from the profiler (a dispatch mode, a captured graph)."
    if tokens and verdict.bounded is None and verdict.site.peak is not None:
        return f"Diagnose with more tokens than {tokens:,}: there the scores need more memory than the rest."
    if verdict.lowered is None and "backend" in verdict.reasons.get("lowered", ""):
        return "Run diagnose without --backend: only Inductor generates the kernel."
    if verdict.bounded is None:
        return "Give example_inputs a parameter `tokens` and diagnose with a larger --tokens: there the scores need more memory than the rest."
    return "Run `compile-doctor diagnose` on the device and at the size that you need."


CHECK = Check(
    code="CD501",
    name="fused-kernel-unverified",
    severity="warning",
    category="kernels",
    unproven=True,
    summary="Attention was found, but the evidence does not reach what was requested (--tokens, --require-fused); exit code 3 under --require-fused.",
    explanation="""\
`fused` requires three pieces of evidence: the generated code has the attention kernel (lowered), its graph ran and the
dense entry did not (executed), and memory stays far below the score matrix and grows with the tokens, not with their
square (bounded). If one is missing, the verdict is `unverified`, never a pass. It is a finding if you request a size
(`--tokens`) or proof (`--require-fused`, exit code 3).

At small sizes memory decides nothing, because what surrounds attention needs more than the scores would.
""",
    detect=detect,
    options="--tokens 512",
    fires="""\
import torch
from torch.nn.attention.flex_attention import create_block_mask, flex_attention


def near(b, h, q, k):
    return (q - k).abs() <= 32


class Attention(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.up = torch.nn.Parameter(torch.randn(32, 8192))

    def forward(self, q, k, v):
        q = q + (q @ self.up).sin().sum(-1, keepdim=True) * (q @ self.up).std()
        return flex_attention(q, k, v)


def build_model():
    return Attention()


def example_inputs(tokens=64):
    return tuple(torch.randn(1, 2, tokens, 32) for _ in range(3))
""",
    silent="""\
import torch
import torch.nn.functional as F


class Attention(torch.nn.Module):
    def forward(self, q, k, v):
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def build_model():
    return Attention()


def example_inputs(tokens=64):
    return tuple(torch.randn(1, 2, tokens, 32) for _ in range(3))
""",
)
