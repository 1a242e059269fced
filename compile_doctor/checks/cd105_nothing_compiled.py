"""CD105: no graph was compiled at all."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.graph_breaks.by_design import ByDesign, by_design
from compile_doctor.checks import compile_calls
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
    call = None if tried or _switched_off(seen) else compile_calls.words(seen)
    if tried:
        message = f"Dynamo traced {tried} frame{'s' * (tried != 1)} and put no operator into a graph."
    elif call:
        message = call.message
    else:
        message = f"The {'command' if command else 'target'} ran, but torch.compile was not called on any part of it."
    own = _by_design(seen)
    if own:
        message += f" {own.whose} keeps the code around it out of graphs. {own.why}"
    place = call.place if call else None
    yield CHECK.finding(
        "Nothing was compiled",
        message,
        location=seen.location(place.file, place.line, place.function) if place else None,
        cause=call.cause if call else "nothing-compiled",
        fix=own.fix if own else (call and call.fix) or _fix(seen, bool(call)),
        evidence=(f"{tried} frame{'s' * (tried != 1)} begun, 0 graphs in the structured trace",),
    )


def _by_design(seen: AnalysisContext) -> ByDesign | None:
    """What torch keeps out of graphs itself, if nothing else broke."""
    found = [by_design(seen, site) for site in seen.sites]
    return found[0] if found and all(found) else None


def _switched_off(seen: AnalysisContext) -> list[str]:
    names = ("TORCHDYNAMO_DISABLE", "TORCH_COMPILE_DISABLE")
    return [name for name in names if seen.evidence.environment.get(name)]


def _fix(seen: AnalysisContext, called: bool) -> str:
    disabled = _switched_off(seen)
    if disabled:
        return f"Unset {disabled[0]}: it switches torch.compile off."
    if seen.skipped:
        return "Fix the breaks below: Dynamo gave up every frame that has tensor operators."
    if seen.sites:
        return "Fix the breaks below: there is no tensor operator before the first of them, or between them."
    if not called and any(child.mode == "command" for child in seen.evidence.children):
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
under `torch.compiler.disable`, `TORCHDYNAMO_DISABLE=1` is set, what torch.compile returned is never called, the outermost frame was skipped and had all the
operators, up to torch 2.13 a module of torch's own (`nn.Sequential`) was compiled in place, or the target computes nothing with tensors. Up to torch 2.11 `fullgraph=True` does not report it either.
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
