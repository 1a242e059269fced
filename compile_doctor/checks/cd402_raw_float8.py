"""CD402: a raw float8 tensor reaches attention, and the device has no kernel for it."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks.attention_values import described, refusal_values
from compile_doctor.checks.base import Check
from compile_doctor.model.findings import Finding


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    refusal = seen.refusal
    if refusal is None or refusal.check != CHECK.name:
        return
    odd = [index for index, tensor in enumerate(refusal.inputs) if tensor and tensor.dtype.startswith("float8")]
    which = described(seen, refusal, odd)
    device = next((tensor.device for tensor in refusal.inputs if tensor), str(seen.evidence.environment.get("device")))
    yield CHECK.finding(
        "Raw float8 reaches attention",
        f"There is no attention kernel for raw float8 on {device}."
        + (f" {which[:1].upper()}{which[1:]}." if which else "")
        + " Float8 linear layers are not the cause: they return plain tensors.",
        cause="raw-float8",
        fix="Cast to the compute dtype before attention: q.to(torch.bfloat16), times its scale if it has one.",
        **refusal_values(seen, refusal),
    )


CHECK = Check(
    code="CD402",
    name="raw-float8-in-attention",
    severity="error",
    category="float8",
    summary="A raw float8 tensor reaches flex_attention or SDPA, and the device has no kernel for it.",
    explanation="""\
A `torch.float8_e4m3fn` or `float8_e5m2` tensor is the query, key or value. On CPU eager mode raises
`"baddbmm_with_gemm" not implemented for 'Float8_e4m3fn'`, and Inductor a LoweringException. Cast to bfloat16 first, and
multiply by the scale: without it the values of a raw float8 tensor are seldom the intended ones.
""",
    detect=detect,
    fires="""\
import torch
from torch.nn.attention.flex_attention import flex_attention


class Attention(torch.nn.Module):
    def forward(self, q, k, v):
        return flex_attention(q, k, v)


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 256, 32).to(torch.float8_e4m3fn) for _ in range(3))
""",
    silent="""\
import torch
from torch.nn.attention.flex_attention import flex_attention


class Attention(torch.nn.Module):
    def forward(self, q, k, v):
        return flex_attention(q.float(), k.float(), v.float())


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 256, 32).to(torch.float8_e4m3fn) for _ in range(3))
""",
)
