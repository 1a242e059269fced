"""CD102: Python control flow on a tensor's value."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks.base import Check, is_the_error, site_values, site_why
from compile_doctor.model.findings import Finding


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    for site in seen.sites:
        if site.cause.data_dependent_branch and not is_the_error(seen, site):
            loop = " It is in a loop, so Dynamo gave up the whole frame (CD104)." if site.loop else ""
            yield CHECK.finding("Data-dependent branch", site_why(seen, site) + loop, **site_values(seen, site))


CHECK = Check(
    code="CD102",
    name="data-dependent-branch",
    severity="error",
    category="breaks",
    bytecode=True,
    summary="The break is Python control flow (if, while, assert, bool()) on a tensor's value.",
    explanation="""\
Python has to know which branch to take, and the value does not exist until the graph has run. So the graph ends at the
branch, the tensor is read back (a GPU first has to finish its queue), and each branch gets its own graph.

These breaks do not restart the tracing, so counts of restarts (tlparse's failures page) do not include them.
""",
    detect=detect,
    fires="""\
import torch


class ClippedAttention(torch.nn.Module):
    def forward(self, q, k, v):
        scores = q @ k.transpose(-1, -2)
        if scores.max() > 30.0:
            scores = scores.clamp(max=30.0)
        return scores.softmax(-1) @ v


def build_model():
    return ClippedAttention()


def example_inputs():
    return tuple(torch.randn(2, 8, 16) for _ in range(3))
""",
    silent="""\
import torch


class ClippedAttention(torch.nn.Module):
    def forward(self, q, k, v):
        scores = (q @ k.transpose(-1, -2)).clamp(max=30.0)
        return scores.softmax(-1) @ v


def build_model():
    return ClippedAttention()


def example_inputs():
    return tuple(torch.randn(2, 8, 16) for _ in range(3))
""",
)
