"""CD101: Dynamo broke the graph in user code."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext, is_safe_softmax
from compile_doctor.checks.base import Check, site_values
from compile_doctor.model.findings import Finding


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    for site in seen.sites:
        if site.cause.data_dependent_branch or site.loop:
            continue  # CD102, CD103
        if is_safe_softmax(site.reason):
            continue  # CD307
        values = site_values(seen, site)
        deliberate = site.cause.deliberate and values["owner"] == "mine"
        folded = f" {site.callers} calling frame{'s' * (site.callers != 1)} broke with it." if site.callers else ""
        yield CHECK.finding(
            f"Graph break: {site.cause.title}",
            site.cause.why + folded,
            severity="info" if deliberate else CHECK.severity,
            **values,
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
info.
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
