"""CD312: only a part of a graph is captured as CUDA graphs."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks.base import Check
from compile_doctor.checks.cuda_graph_values import evidence_of, fix_of, place_of, why
from compile_doctor.model.findings import Finding


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    for one in seen.cuda_graphs:
        if one.state != "partly":
            continue
        parts = len(one.functions)
        left = "; ".join(why(reason) for reason in one.reasons[:3]) or "torch does not say what lies between them"
        yield CHECK.finding(
            "A graph is captured only in part",
            f"It is {parts} CUDA graph{'s' * (parts != 1)}, with other work between or around them: {left}.",
            cause=f"cudagraph-partial:{one.reasons[0].text.split(' (')[0] if one.reasons else 'unknown'}",
            fix=fix_of(one.reasons),
            evidence=evidence_of(one),
            **place_of(seen, one),
        )


CHECK = Check(
    code="CD312",
    name="cudagraph-partial",
    severity="warning",
    category="kernels",
    uncaptured=True,
    device="cuda",
    options="--mode reduce-overhead --repeat 4",
    summary="Only a part of a graph is captured: operators on the CPU, copies or value-dependent sizes cut it.",
    explanation="""\
Inductor cuts a graph at each operator that a CUDA graph cannot hold, and captures the pieces (graph partitions, torch
2.9 and later). Each cut costs launches and often a synchronisation; a cut in a loop over layers makes one graph for each
layer. The finding names the operators outside of the pieces, and their lines (torch 2.11 and later).
""",
    detect=detect,
    fires="""\
import torch


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = torch.nn.Linear(256, 256), torch.nn.Linear(256, 256)

    def forward(self, x):
        y = self.first(x)
        scale = y.mean().cpu() + 1
        return self.second(y * scale.to(x.device))


def build_model():
    return Model()


def example_inputs():
    return (torch.randn(64, 256),)
""",
    silent="""\
import torch


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = torch.nn.Linear(256, 256), torch.nn.Linear(256, 256)

    def forward(self, x):
        y = self.first(x)
        scale = y.mean() + 1
        return self.second(y * scale)


def build_model():
    return Model()


def example_inputs():
    return (torch.randn(64, 256),)
""",
)
