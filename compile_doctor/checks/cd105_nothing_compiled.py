"""CD105: no graph was compiled at all."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks.base import Check
from compile_doctor.model.findings import Finding


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    evidence = seen.evidence
    if any(compilation.graphs for compilation in evidence.compilations) or seen.failure:
        return
    # A command that failed has not compiled anything because of that: the verdict reports how it failed.
    command = any(
        child.mode == "command" and child.ended == "exited" and not child.exit_code for child in evidence.children
    )
    bare = not evidence.children  # a trace without a capture: nothing else can show why it is empty
    if evidence.phases.get("compiled") != "done" and not command and not bare:
        return  # it did not finish: another finding has the reason
    counted = sum(counts.counters.get("stats", {}).get("unique_graphs", 0) for counts in evidence.counts)
    if counted:
        yield CHECK.finding(
            "The trace is missing",
            f"Dynamo counted {counted} graph{'s' * (counted != 1)}, but the structured trace has none: it was lost or cut off.",
            cause="trace-missing",
            fix="Make the capture again, and copy the whole folder.",
        )
        return
    tried = len(evidence.compilations)
    message = (
        f"Dynamo traced {tried} frame{'s' * (tried != 1)} and put no operator into a graph."
        if tried
        else f"The {'command' if command else 'target'} ran, but torch.compile was not called on any part of it."
    )
    yield CHECK.finding(
        "Nothing was compiled",
        message,
        cause="nothing-compiled",
        fix=_fix(seen),
        evidence=(f"{tried} frame{'s' * (tried != 1)} begun, 0 graphs in the structured trace",),
    )


def _fix(seen: AnalysisContext) -> str:
    disabled = [
        name for name in ("TORCHDYNAMO_DISABLE", "TORCH_COMPILE_DISABLE") if seen.evidence.environment.get(name)
    ]
    if disabled:
        return f"Unset {disabled[0]}: it switches torch.compile off."
    if seen.skipped:
        return "Fix the breaks below: Dynamo gave up every frame that has tensor operators."
    if seen.sites:
        return "Fix the breaks below: there is no tensor operator before the first of them, or between them."
    if any(child.mode == "command" for child in seen.evidence.children):
        return "Call torch.compile in this program; or diagnose the model: compile-doctor diagnose FILE compiles it."
    return (
        "Check whether the model is under torch.compiler.disable, whether its forward has tensor operators at all, "
        "and whether TORCHDYNAMO_DISABLE or a force_eager stance is set."
    )


CHECK = Check(
    code="CD105",
    name="nothing-compiled",
    severity="error",
    category="frames",
    exit_code=3,
    summary="No graph was compiled at all; the verdict is inconclusive (exit code 3).",
    explanation="""\
The program ran, but there is not one graph: torch.compile did nothing. That is not a pass. Common causes: the model is
under `torch.compiler.disable`, `TORCHDYNAMO_DISABLE=1` is set, the outermost frame was skipped and had all the
operators, or the target computes nothing with tensors. Up to torch 2.11 `fullgraph=True` does not report it either.
""",
    detect=detect,
    fires="""\
import torch


class Pipeline(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = torch.nn.Linear(8, 8)

    @torch.compiler.disable
    def forward(self, x):
        return self.proj(x).relu()


def build_model():
    return Pipeline()


def example_inputs():
    return (torch.randn(4, 8),)
""",
    silent="""\
import torch


class Pipeline(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = torch.nn.Linear(8, 8)

    def forward(self, x):
        return self.proj(x).relu()


def build_model():
    return Pipeline()


def example_inputs():
    return (torch.randn(4, 8),)
""",
)
