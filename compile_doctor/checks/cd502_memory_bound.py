"""CD502: memory grows with the square of the tokens although the kernel looks fused."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks import needs
from compile_doctor.checks.attention_values import at_site, seen_of
from compile_doctor.checks.base import Check
from compile_doctor.model.findings import Finding
from compile_doctor.model.sizes import human

_FLEX = (
    "Compute the mask or bias from the indices in mask_mod or score_mod, instead of a tensor of all pairs. On CPU pass a "
    "BlockMask, even a full one: without it the template itself takes memory for all pairs."
)
_SDPA = (
    "SDPA needs a mask or bias as a tensor of all pairs. Use is_causal=True, which needs none, or flex_attention, which "
    "computes any mask or bias from the indices (mask_mod, score_mod)."
)
_PACKED = "varlen_attn itself keeps no scores: look for the tensor of all pairs beside it."


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    for verdict in seen.attention:
        site = verdict.site
        fused = verdict.lowered and verdict.verdict not in ("dense", "mixed")
        if verdict.bounded is False and fused and site.peak and site.tokens:
            yield CHECK.finding(
                "Memory grows with the square of the tokens",
                f"The kernel is fused, but {human(site.peak)} are held at {site.tokens:,} tokens, growing with the "
                f"{verdict.growth or 2:.1f}th power of the tokens. Something in the same graph creates a tensor of all "
                "pairs (a dense mask or bias, a score_mod that reads one, scores kept for a loss).",
                cause="quadratic-memory",
                fix={"flex_attention": _FLEX, "varlen_attn": _PACKED}.get(site.api, _SDPA),
                evidence=seen_of(verdict),
                **at_site(seen, verdict),
            )


CHECK = Check(
    code="CD502",
    name="memory-above-fused-bound",
    severity="error",
    category="kernels",
    needs=(needs.memory, needs.profiler),
    summary="Peak memory grows like S² although the kernel looks fused.",
    explanation="""\
A fused kernel saves little if the graph around it creates a tensor of all pairs of tokens anyway: a materialised
relative position bias, an additive mask, attention weights that are kept for a loss. Memory then grows with the square
of the tokens. The finding needs two sizes (`--tokens N`), because one size does not show the growth.
""",
    detect=detect,
    options="--backend inductor --tokens 2048",
    fires="""\
import torch
import torch.nn.functional as F


class Attention(torch.nn.Module):
    def forward(self, q, k, v):
        at = torch.arange(q.shape[-2], device=q.device, dtype=q.dtype)
        bias = -(at[:, None] - at[None, :]).abs() * torch.tensor([[[[0.5]], [[0.25]]]])
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)


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
