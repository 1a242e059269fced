"""CD101: Dynamo broke the graph in user code."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext, is_safe_softmax
from compile_doctor.analysis.graph_breaks.by_design import is_deliberate
from compile_doctor.checks.base import Check, is_the_error, site_values, site_why
from compile_doctor.model.findings import Finding


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    for site in seen.sites:
        if site.cause.data_dependent_branch or site.loop:
            continue  # CD102, CD103
        if is_safe_softmax(site.reason) or is_the_error(seen, site):
            continue  # CD307, CD106
        yield CHECK.finding(
            f"Graph break: {site.cause.title}",
            site_why(seen, site),
            severity="info" if is_deliberate(seen, site) else CHECK.severity,
            **site_values(seen, site),
        )


CHECK = Check(
    code="CD101",
    name="graph-break",
    severity="error",
    category="breaks",
    bytecode=True,
    summary="Dynamo broke the graph in user code; one finding per root-cause line.",
    explanation="""\
Dynamo met something that it cannot put into a graph. It compiles what came before, runs the line in plain Python, and
starts another graph after it. Fusion stops there, values are written to memory and read again, and every function that
called this one is split at the same point. The finding is at the innermost line. Callers that broke only because of it
are counted, not listed.

An intended break (`torch._dynamo.graph_break()`, a function of yours under `torch.compiler.disable`) is reported as
info. So is a break that torch makes itself: in the step of an optimizer, in DistributedDataParallel, in FSDP's hooks.
""",
    detect=detect,
    fires="""\
import torch


class FeedForward(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.up = torch.nn.Linear(16, 64)
        self.down = torch.nn.Linear(64, 16)

    def forward(self, x):
        hidden = self.up(x).relu()
        print("hidden", hidden.shape)
        return self.down(hidden)


def build_model():
    return FeedForward()


def example_inputs():
    return (torch.randn(4, 16),)
""",
    silent="""\
import torch


class FeedForward(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.up = torch.nn.Linear(16, 64)
        self.down = torch.nn.Linear(64, 16)

    def forward(self, x):
        return self.down(self.up(x).relu())


def build_model():
    return FeedForward()


def example_inputs():
    return (torch.randn(4, 16),)
""",
)
