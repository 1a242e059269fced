"""CD313: a CUDA graph is recorded again and again."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks.base import Check
from compile_doctor.checks.cuda_graph_values import evidence_of, place_of
from compile_doctor.model.findings import Finding

MOST = 2
"""Recordings that are expected: a function can follow two others in the tree of graphs."""


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    for one in seen.cuda_graphs:
        if one.recordings <= MOST or one.recordings <= one.replays:
            continue
        yield CHECK.finding(
            "A CUDA graph is recorded again and again",
            f"It was recorded {one.recordings}× and replayed {one.replays}×: each recording costs more than the graph saves. The "
            "address of a parameter, a buffer or an output of an earlier graph was another one.",
            cause="cudagraph-rerecorded",
            fix="Change parameters and buffers in place (p.copy_(new), not p.data = new); copy inputs into the same tensors each time.",
            evidence=evidence_of(one),
            **place_of(seen, one),
        )


CHECK = Check(
    code="CD313",
    name="cudagraph-rerecorded",
    severity="warning",
    category="kernels",
    device="cuda",
    options="--mode reduce-overhead --repeat 8",
    summary="A CUDA graph is recorded more often than it is replayed, because addresses change from call to call.",
    explanation="""\
A CUDA graph holds addresses. If a parameter or buffer has another one at the next call, torch records the graph again,
and gives it up after 128 recordings (torch._inductor.config.triton.cudagraph_unexpected_rerecord_limit). Each recording
synchronises the device and takes memory in the graphs' pool.
""",
    detect=detect,
    fires="""\
import torch


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(256, 256)
        self.kept = []

    @torch.compiler.disable
    def moved(self):
        self.kept.append(self.linear.weight.data)
        self.linear.weight.data = self.linear.weight.data.clone()

    def forward(self, x):
        self.moved()
        return torch.relu(self.linear(x))


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
        self.linear = torch.nn.Linear(256, 256)

    def forward(self, x):
        return torch.relu(self.linear(x))


def build_model():
    return Model()


def example_inputs():
    return (torch.randn(64, 256),)
""",
)
