"""CD305: flex_attention ran under a backend that does not lower it."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis import Seen
from compile_doctor.checks.attention_values import at_frame, dense_sites
from compile_doctor.checks.base import Check
from compile_doctor.findings import Finding


def detect(seen: Seen) -> Iterator[Finding]:
    for verdict, cause in dense_sites(seen):
        if cause.code == "CD305":
            yield CHECK.finding(
                "flex_attention under a backend that does not lower it",
                f"{cause.why} It ran dense at line {verdict.site.frame.line}.",
                cause=cause.key,
                fix=cause.fix,
                evidence=cause.evidence,
                **at_frame(seen, cause.frame or verdict.site.frame),
            )


CHECK = Check(
    code="CD305",
    name="flex-backend-not-lowering",
    severity="error",
    summary="flex_attention runs under a backend that does not lower it (eager, aot_eager, …).",
    explanation="""\
Only Inductor turns flex_attention into a fused kernel. `eager`, `aot_eager`, `cudagraphs` and most backends of one's own
run the operator as it is: dense. The finding is at the torch.compile that names the backend, where it was seen.

A backend that you gave to `diagnose --backend` is no finding: the verdict is then `unverified`.
""",
    detect=detect,
    fires="""\
import torch
from torch.nn.attention.flex_attention import create_block_mask, flex_attention


def near(b, h, q, k):
    return (q - k).abs() <= 32


traced_flex = torch.compile(flex_attention, backend="aot_eager")


@torch.compiler.disable
def isolated(q, k, v, mask):
    return traced_flex(q, k, v, block_mask=mask)


class Attention(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.mask = create_block_mask(near, None, None, 512, 512, device="cpu")

    def forward(self, q, k, v):
        return isolated(q, k, v, self.mask)


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 512, 32) for _ in range(3))
""",
    silent="""\
import torch
from torch.nn.attention.flex_attention import create_block_mask, flex_attention


def near(b, h, q, k):
    return (q - k).abs() <= 32


compiled_flex = torch.compile(flex_attention)


@torch.compiler.disable
def isolated(q, k, v, mask):
    return compiled_flex(q, k, v, block_mask=mask)


class Attention(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.mask = create_block_mask(near, None, None, 512, 512, device="cpu")

    def forward(self, q, k, v):
        return isolated(q, k, v, self.mask)


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 512, 32) for _ in range(3))
""",
)
