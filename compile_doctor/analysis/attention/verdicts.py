"""One verdict per attention call site, from three separate pieces of evidence: lowered, executed, bounded."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from compile_doctor.analysis.attention.calls import AttentionCall, asked_backend
from compile_doctor.model.evidence import Evidence
from compile_doctor.model.kernels import Kernel, implementation
from compile_doctor.model.sizes import human

FAR_BELOW = 0.5
"""A peak up to this share of the score matrix is far below it: the dense path needs more than three of them."""
NO_SCORES = 0.25
"""If no allocation reaches this share of the float32 score matrix, there is no bfloat16 one and no full mask either."""
HALF_PRECISION = 0.5
"""The share of the float32 score matrix that SDPA's own scores take at least; a mask of all pairs is the program's there."""
LINEAR, QUADRATIC = 1.5, 1.7
"""Exponents of the growth of memory with tokens: 1 for a fused kernel, 2 for the dense path."""
_GPU_NAMES = {
    "flash": ("flash",),
    "efficient": ("fmha", "efficient"),
    "cudnn": ("cudnn", "sdpa"),
    "varlen": ("flash", "cudnn"),
}
"""What the CUDA kernels of SDPA's backends and of varlen_attn are called (upstream's names, not measured here)."""


@dataclass(frozen=True)
class Verdict:
    """What is known about a site; `reasons` has the reason for each piece of evidence that is not True."""

    site: AttentionCall
    verdict: str
    """`fused`, `dense`, `mixed` or `unverified`."""
    lowered: bool | None
    executed: bool | None
    bounded: bool | None
    kernel: str | None
    backend: str | None
    reasons: Mapping[str, str] = field(default_factory=dict)
    implementation: str | None = None
    """Which of torch's implementations ran, by `kernels.FASTEST_FIRST`; None if that is not known."""
    growth: float | None = None
    """Exponent of the growth of the peak with tokens, between the two largest sizes."""


def judge(site: AttentionCall, evidence: Evidence, smaller: Iterable[AttentionCall] = ()) -> Verdict:
    """The verdict from what was seen; `smaller` is the same site at smaller sizes, for the growth of memory."""
    reasons: dict[str, str] = {}
    lowered = _lowered(site, evidence, reasons)
    executed = _executed(site, evidence, reasons)
    bounded, growth = _bounded(site, evidence, list(smaller), reasons)
    fused_runs = sum(one.runs for one in site.lowerings if one.lowered and not one.dense) + sum(
        1 for one in site.eager if one.backend not in (None, "math")
    )
    dense_runs = len(site.dense) + sum(1 for one in site.eager if one.backend == "math")
    dense_runs += sum(one.runs for one in site.lowerings if site.api == "sdpa" and one.computes_scores)
    if dense_runs:
        verdict = "mixed" if fused_runs else "dense"
    elif executed and bounded and (lowered or (lowered is None and _only_eager(site))):
        verdict = "fused"
    else:
        verdict = "unverified"
    kernel = next((one.kernel for one in site.lowerings if one.kernel), None)
    return Verdict(
        site,
        verdict,
        lowered,
        executed,
        bounded,
        kernel.name if kernel else None,
        _backend(site, kernel),
        reasons,
        _implementation(site, kernel, verdict),
        growth,
    )


def _implementation(site: AttentionCall, kernel: Kernel | None, verdict: str) -> str | None:
    if verdict == "dense":
        return "math" if site.api == "sdpa" else "dense"
    ran = None if site.api == "flex_attention" else _backend(site, None)
    return implementation(site.api, kernel.backend if kernel else ran, site.kernels_ran)


def _only_eager(site: AttentionCall) -> bool:
    """Whether it is SDPA or varlen_attn outside graphs: torch's own fused operator ran, and there is no generated code."""
    return bool(site.eager) and not site.lowerings


def _lowered(site: AttentionCall, evidence: Evidence, reasons: dict[str, str]) -> bool | None:
    known = [one.lowered for one in site.lowerings]
    if not known:
        if site.dense:
            reasons["lowered"] = "it is in no compiled graph"
            return False
        reasons["lowered"] = "it ran outside a graph: there is no generated code"
        return None
    if any(one.compilation.guarded is not True for one in site.lowerings):
        reasons["lowered"] = "its graph could not be compiled"
        return None
    if any(one is None for one in known):
        asked = asked_backend(evidence)
        reasons["lowered"] = (
            f"backend {asked} generates no code: run diagnose without --backend"
            if asked
            else "the trace has no generated code for its graph, or not a kernel for each call"
        )
        return None
    if not all(known):
        reasons["lowered"] = "the generated code of its graph has no fused kernel for this call"
        return False
    return True


def _executed(site: AttentionCall, evidence: Evidence, reasons: dict[str, str]) -> bool | None:
    if site.dense:
        reasons["executed"] = f"the operator's dense entry was called {sum(call.count for call in site.dense)}×"
        return False
    if any(one.backend == "math" for one in site.eager):
        reasons["executed"] = "the math operator ran"
        return False
    if site.ran_dense:
        reasons["executed"] = "its graph ran, and computes the scores itself"
        return False
    if not evidence.attention.watched and not evidence.attention.ran:
        reasons["executed"] = "no probe watched this run: a trace shows what was compiled, not what ran"
        return None
    asked = asked_backend(evidence)
    if asked and any(one.lowered is None for one in site.lowerings):
        reasons["executed"] = f"backend {asked} does not lower the operator"
        return None
    if any(one.runs for one in site.lowerings) or any(one.backend for one in site.eager):
        if site.lowerings and all(one.node.conditional for one in site.lowerings) and not site.eager:
            reasons["executed"] = "its graph ran, but it is in a side of torch.cond or a while_loop, which need not run"
            return None
        device = site.query.device if site.query else "cpu"
        measured = evidence.attention.measured or evidence.asked.memory
        if device == "cuda" and measured and site.profiled and not _on_gpu(site):
            reasons["executed"] = "its graph ran, but the profiler's events have no kernel with its name"
            return None
        return True
    if not any(one.compilation.guarded is not True for one in site.lowerings):
        reasons["executed"] = "its graph was compiled, but did not run under the probe"
    return None


def _on_gpu(site: AttentionCall) -> bool:
    """Whether the profiler saw the site's own kernel: by its generated name, or for SDPA by the name of its backend."""
    wanted = {one.kernel.name for one in site.lowerings if one.kernel and one.kernel.api == "flex_attention"}
    if site.api != "flex_attention":
        backends = {one.kernel.backend for one in site.lowerings if one.kernel} | {one.backend for one in site.eager}
        wanted = {word for backend in backends for word in _GPU_NAMES.get(str(backend), ())}
        return any(word in ran for word in wanted for ran in site.kernels_ran)
    return any(name[:200] in site.kernels_ran for name in wanted)


def _bounded(
    site: AttentionCall, evidence: Evidence, smaller: list[AttentionCall], reasons: dict[str, str]
) -> tuple[bool | None, float | None]:
    if site.peak is None:
        why = _too_small(site) or evidence.attention.not_measured
        if not why and ("executed" in reasons or "lowered" in reasons):
            return None, None  # there is a reason already
        reasons["bounded"] = f"memory could not be measured: {why}" if why else _unmeasured(evidence)
        return None, None
    scores = site.dense_bytes
    if scores is None:
        reasons["bounded"] = "the shapes are unknown"
        return None, None
    growth = _growth(site, smaller)
    if site.ran_dense:
        reasons["bounded"] = "the dense path ran"
        return False, growth
    if site.beside_dense:
        reasons["bounded"] = (
            "another attention call of the same graph runs dense: the memory of the two cannot be distinguished"
        )
        return None, growth
    if site.backward_unmeasured:
        reasons["bounded"] = "its backward ran too, and the memory of that was not measured"
        return None, growth
    if not site.memory_tells:
        return True, growth  # nothing to bound: the scores themselves are as small as the inputs
    far_below = site.peak <= FAR_BELOW * scores
    # The rest of the graph or of a training step may need more than the scores, in many pieces: no piece of it holds them.
    least = NO_SCORES if site.api == "flex_attention" else HALF_PRECISION
    nothing_large = site.largest is not None and 0 < site.largest < least * scores
    if nothing_large and (growth is None or growth < QUADRATIC):
        return True, growth
    if growth is None:
        if far_below:
            return True, None
        reasons["bounded"] = (
            f"its attn_mask is a table of {human(site.table)}, which hides whether a table of scores was kept too"
            if site.table >= least * scores
            else f"at {site.tokens:,} tokens {_held_by(site)} needs as much memory as the scores would: run diagnose with --tokens N, if the target has a parameter `tokens`"
        )
        return None, None
    if far_below and growth < LINEAR:
        return True, growth
    if growth >= QUADRATIC and not far_below:
        reasons["bounded"] = f"memory grows with the {growth:.1f}th power of the tokens"
        return False, growth
    reasons["bounded"] = f"memory grows with the {growth:.1f}th power of the tokens, which decides nothing at this size"
    return None, growth


def _held_by(site: AttentionCall) -> str:
    """Whose memory was measured."""
    return "the call itself" if _only_eager(site) else "what surrounds the attention"


def _unmeasured(evidence: Evidence) -> str:
    if evidence.asked.memory:
        return "memory was not measured in this run: it did not run again at the size at which its graph was compiled"
    how = ": run --memory measures it" if evidence.asked.command else ""
    return f"memory was not measured in this run{how}"


def _too_small(site: AttentionCall) -> str:
    if site.too_small is None:
        return ""
    if site.too_small <= 0 or site.output_bytes is None:
        return "the profiler recorded 0 bytes for it"
    return f"the profiler recorded {human(site.too_small)} for it, and its output alone is {human(site.output_bytes)}"


def _growth(site: AttentionCall, smaller: list[AttentionCall]) -> float | None:
    """log(peak ratio) / log(token ratio) between this size and the next smaller one that was measured."""
    other = next(
        (one for one in reversed(smaller) if one.peak and one.tokens and one.tokens < (site.tokens or 0)), None
    )
    if other is None or not site.peak or not other.peak or not site.tokens or not other.tokens:
        return None
    return math.log(site.peak / other.peak) / math.log(site.tokens / other.tokens)


def _backend(site: AttentionCall, kernel: Kernel | None) -> str | None:
    ran = next((one.backend for one in site.eager if one.backend), None)
    if site.api == "sdpa":
        math_graph = any(one.computes_scores for one in site.lowerings)
        return "math" if math_graph else ran or (kernel.backend if kernel else None)
    graph = next((one.compilation.graph for one in site.lowerings if one.compilation.graph), None)
    return graph.backend if graph else ran
