"""CD503: SDPA ran the math backend."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from compile_doctor.analysis.attention.calls import AttentionCall
from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks import needs
from compile_doctor.checks.attention_values import at_site, seen_of
from compile_doctor.checks.base import Check
from compile_doctor.model.findings import Finding

_FIXES = (
    (
        "4 dimensional",
        "Pass (batch, heads, tokens, dim): q.unflatten(0, (batch, heads)), or q[:, None] for one head.",
    ),
    (
        "dropout",
        "Pass dropout_p only while training: dropout_p=self.p if self.training else 0.0. For inference, let build_model() "
        "return model.eval(): compile-doctor does not change the mode of the model.",
    ),
    (
        "same num_heads",
        "Repeat the heads of key and value, and leave enable_gqa out: "
        "k, v = (t.repeat_interleave(q.shape[1] // t.shape[1], dim=1) for t in (k, v)). "
        "On a CPU, flash takes enable_gqa from torch 2.9 on.",
    ),
    ("same last dimension", "Pad value to the head size of query and key, and cut the result; or use flex_attention."),
    (
        "attn_mask.requires_grad",
        "Detach the mask if it is not learned. If it is: flex_attention, compiled, with a score_mod that reads the bias "
        "(on a GPU; a CPU has no backward of it).",
    ),
    ("requires_grad", "Detach what needs no gradient, or call attention under torch.no_grad()."),
    ("stride", "Make the last dimension contiguous: q.contiguous()."),
)


_ASK = "To see the reason: torch.nn.attention.sdpa_kernel([SDPBackend.FLASH_ATTENTION]) turns a refusal into an error."


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    for verdict in seen.attention:
        if verdict.site.api != "sdpa" or verdict.verdict not in ("dense", "mixed"):
            continue
        refused, asked = refusals(seen, verdict.site), _was_asked(seen, verdict.site)
        against = "; ".join(f"{name}: {' '.join(reasons)}" for name, reasons in refused.items() if reasons)
        yield CHECK.finding(
            "SDPA ran the math backend",
            "scaled_dot_product_attention computed and kept every score: the math backend ran. "
            + (
                f"torch's reason against {against}"
                if against
                else "torch's selector could not be asked for the reason, because the shapes of these inputs are not known "
                "(nested tensors have none)."
                if not asked
                else "torch's selector refuses every fused backend for these inputs, and gives no reason."
                if _chosen(seen, verdict.site) == "math"
                else "torch would choose a fused backend for these inputs: sdpa_kernel() "
                "or torch.backends disables it, or the inputs at run time differ."
            ),
            cause=f"math:{_normal(against)}",
            fix=_fix(against) if asked else _ASK,
            evidence=(
                *seen_of(verdict),
                *(f"{name} refused: {' '.join(reasons)}" for name, reasons in refused.items()),
            ),
            **at_site(seen, verdict),
        )


def _was_asked(seen: AnalysisContext, site: AttentionCall) -> bool:
    """Whether torch's selector was asked about these inputs; it needs their shapes."""
    given = [*(lowering.node.inputs for lowering in site.lowerings), *(one.inputs for one in site.eager)]
    return bool(refusals(seen, site)) or any(None not in inputs for inputs in given)


def refusals(seen: AnalysisContext, site: AttentionCall) -> Mapping[str, tuple[str, ...]]:
    """torch's reasons against each fused backend, for the inputs that were seen."""
    keys = [one.node.key for one in site.lowerings if one.lowered is False] + [
        one.key for one in site.eager if one.backend == "math"
    ]
    choices = (seen.evidence.attention.choices.get(key) for key in keys)
    return next((choice.refused for choice in choices if choice is not None and choice.refused), {})


def _chosen(seen: AnalysisContext, site: AttentionCall) -> str | None:
    """The backend that torch's selector names for the inputs that were seen."""
    keys = [one.node.key for one in site.lowerings if one.lowered is False] + [one.key for one in site.eager]
    found = (seen.evidence.attention.choices.get(key) for key in keys)
    return next((choice.choice for choice in found if choice is not None), None)


def _normal(text: str) -> str:
    return re.sub(r"\d+", "N", text)[:80]


def _fix(against: str) -> str:
    for word, fix in _FIXES:
        if word in against:
            return fix
    return "Fix what torch names; torch.nn.attention.sdpa_kernel([SDPBackend.FLASH_ATTENTION]) turns a refusal into an error."


CHECK = Check(
    code="CD503",
    name="sdpa-math-backend",
    severity="error",
    category="kernels",
    needs=(needs.profiler,),
    summary="SDPA ran the math backend; reports why each fused backend refused.",
    explanation="""\
`scaled_dot_product_attention` chooses a backend for each call: flash, memory-efficient, cuDNN, or *math*, which
computes the formula step by step and keeps every score. torch does not report its choice. The evidence is what ran (the
profiler's operators, the generated code). The reasons come from torch's own selector, called again with the same
shapes, strides and dtypes.
""",
    detect=detect,
    fires="""\
import torch
import torch.nn.functional as F


class Attention(torch.nn.Module):
    @torch.compiler.disable
    def forward(self, q, k, v):
        return F.scaled_dot_product_attention(q, k, v, dropout_p=0.1)


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = Attention()

    def forward(self, q, k, v):
        return self.attention(q * 2, k, v)


def build_model():
    return Block().eval()


def example_inputs():
    return tuple(torch.randn(1, 2, 256, 32) for _ in range(3))
""",
    silent="""\
import torch
import torch.nn.functional as F


class Attention(torch.nn.Module):
    @torch.compiler.disable
    def forward(self, q, k, v):
        return F.scaled_dot_product_attention(q, k, v, dropout_p=0.1 if self.training else 0.0)


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = Attention()

    def forward(self, q, k, v):
        return self.attention(q * 2, k, v)


def build_model():
    return Block().eval()


def example_inputs():
    return tuple(torch.randn(1, 2, 256, 32) for _ in range(3))
""",
)
