"""EXA001: more graphs than the project allows itself."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.checks.base import Check

MOST = 1


def detect(seen) -> Iterator:
    """A check reads `seen` and nothing else: no torch, no files, no clock."""
    graphs = sum(one.graphs for one in seen.evidence.compilations)
    if graphs > MOST:
        yield CHECK.finding(
            f"{graphs} graphs, {MOST} allowed",
            "Each graph is a trip through Python, and nothing is fused across two of them.",
            cause="many-graphs",
            fix="Remove the graph breaks.",
            evidence=(f"{graphs} graphs in the trace",),
        )


CHECK = Check(
    code="EXA001",
    name="many-graphs",
    severity="warning",
    category="other",
    summary="The target is compiled into more than one graph.",
    explanation="""\
This project wants its models in one graph.
""",
    detect=detect,
    fires="""\
import torch


class Model(torch.nn.Module):
    def forward(self, x):
        y = x.sin()
        print("half way")
        return y.cos()


def build_model():
    return Model()


def example_inputs():
    return (torch.randn(4),)
""",
    silent="""\
import torch


class Model(torch.nn.Module):
    def forward(self, x):
        return x.sin().cos()


def build_model():
    return Model()


def example_inputs():
    return (torch.randn(4),)
""",
)
