"""CD103: a break inside a loop, which makes Dynamo skip the whole frame."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.graph_breaks.by_design import by_design
from compile_doctor.checks.base import Check, site_values, site_why
from compile_doctor.model.findings import Finding


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    for site in seen.sites:
        if site.loop and not site.cause.data_dependent_branch:
            yield CHECK.finding(
                f"Break in a loop: {site.cause.title}",
                f"{site_why(seen, site)} Dynamo cannot resume in the middle of a loop, so it runs all of "
                f"{site.frame.function} in plain Python (CD104).",
                severity="info" if by_design(seen, site) else CHECK.severity,
                **site_values(seen, site),
            )


CHECK = Check(
    code="CD103",
    name="break-in-loop",
    severity="error",
    category="breaks",
    summary="A break inside a loop of the same frame, which makes Dynamo skip the whole frame.",
    explanation="""\
After an ordinary break Dynamo resumes after the line. Inside a `for` or `while` it cannot: it gives up the function
that has the loop and runs it in plain Python. Functions that the loop calls are still compiled, each into its own
graphs. So one print in the loop over the layers turns one graph into one per layer, and the loop body itself runs
uncompiled.

Fix the break. If it has to stay, move the body of the loop into a separate function: then only that function breaks.
""",
    detect=detect,
    fires="""\
import torch


class Encoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList([torch.nn.Linear(8, 8) for _ in range(3)])

    def forward(self, x):
        norms = []
        for layer in self.layers:
            x = layer(x).relu()
            norms.append(x.norm().item())
        return x, norms


def build_model():
    return Encoder()


def example_inputs():
    return (torch.randn(4, 8),)
""",
    silent="""\
import torch


class Encoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList([torch.nn.Linear(8, 8) for _ in range(3)])

    def forward(self, x):
        norms = []
        for layer in self.layers:
            x = layer(x).relu()
            norms.append(x.norm())
        return x, torch.stack(norms)


def build_model():
    return Encoder()


def example_inputs():
    return (torch.randn(4, 8),)
""",
)
