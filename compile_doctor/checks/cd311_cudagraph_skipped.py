"""CD311: a graph that was compiled for CUDA graphs is not captured."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks.base import Check
from compile_doctor.checks.cuda_graph_values import evidence_of, fix_of, place_of, why
from compile_doctor.model.findings import Finding


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    for one in seen.cuda_graphs:
        if one.state != "skipped":
            continue
        reason = f" torch's reason: {why(one.reasons[0])}." if one.reasons else " torch gives no reason."
        yield CHECK.finding(
            "A graph is not captured as a CUDA graph",
            f"It was compiled for CUDA graphs, and runs kernel by kernel.{reason}",
            cause=f"cudagraph-skipped:{one.reasons[0].text.split(' (')[0] if one.reasons else 'unknown'}",
            fix=fix_of(one.reasons),
            evidence=evidence_of(one),
            **place_of(seen, one),
        )


CHECK = Check(
    code="CD311",
    name="cudagraph-skipped",
    severity="warning",
    category="kernels",
    uncaptured=True,
    device="cuda",
    options="--mode reduce-overhead --repeat 4",
    summary="A graph compiled with CUDA graphs (mode reduce-overhead, max-autotune) is not captured, with torch's reason and line.",
    explanation="""\
With mode="reduce-overhead" torch records the kernels of a compiled graph once and replays them, which saves the time of
their launches. It skips a graph that writes into its inputs, needs the CPU, or has sizes that depend on values. With
graph partitions (torch 2.9 and later) nothing is said even if no kernel at all is captured:
torch._inductor.config.triton.cudagraph_or_error passes too. compile-doctor counts what was recorded and replayed.
""",
    detect=detect,
    fires="""\
import torch


class Model(torch.nn.Module):
    def forward(self, x):
        x.add_(1.0)
        return torch.relu(x) * 2


def build_model():
    return Model()


def example_inputs():
    return (torch.randn(64, 256),)
""",
    silent="""\
import torch


class Model(torch.nn.Module):
    def forward(self, x):
        return torch.relu(x + 1.0) * 2


def build_model():
    return Model()


def example_inputs():
    return (torch.randn(64, 256),)
""",
)
