"""CD104: a frame that ran eagerly because Dynamo gave up on it."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext, Skipped
from compile_doctor.capture.trace.read import function_name
from compile_doctor.checks.base import Check, headline
from compile_doctor.model.findings import Finding, Location
from compile_doctor.source import locations


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    for skipped in seen.skipped:
        first = skipped.first
        name = function_name(first.function)
        line = locations.definition_line(seen.evidence.sources, first.file, first.line, name)
        qualified = locations.qualified(seen.evidence.sources, first.file, line, name)
        yield CHECK.finding(
            f"Frame skipped: {qualified}",
            _why(seen, skipped, qualified),
            location=Location(first.file, line, qualified, seen.snippet(first.file, line)),
            owner=seen.owner(first.file),
            count=len(skipped.compilations),
            upstream=skipped.site.upstream if skipped.site else None,
            cause=f"skipped:{skipped.site.cause.key if skipped.site else first.fail_type or 'unknown'}",
            baseline_cause="skipped",  # one finding, whichever of its breaks Dynamo met first; that break has its own
            fix=_fix(skipped),
            evidence=(f"frame {first.label} was not compiled to code with guards", *_torch_reason(skipped)),
        )


def _why(seen: AnalysisContext, skipped: Skipped, qualified: str) -> str:
    site = skipped.site
    if site is None:
        return f"Dynamo gave up on {qualified}: {headline(skipped.first.fail_reason or 'torch gives no reason')}"
    same = site.frame.file == skipped.first.file and site.frame.function == function_name(skipped.first.function)
    where = f"line {site.frame.line}" if same else f"{locations.short(site.frame.file)}:{site.frame.line}"
    place = f"{where}, in a loop" if skipped.loop else where
    resumed = skipped.first.function != function_name(skipped.first.function)
    rest = "the rest of the function" if resumed else "the whole function"
    return f"It breaks at {place} ({site.cause.title}). Dynamo cannot resume there, so {rest} runs in plain Python."


def _fix(skipped: Skipped) -> str:
    if skipped.site is None and skipped.first.fail_type not in (None, "Unsupported"):
        return "Set torch._dynamo.config.suppress_errors = False: torch then raises the error, with its line. Fix that line."
    if skipped.site is None:
        return "Fix the cause that torch names."
    return "Fix the break that causes it; or move the body of the loop, or the `try`/`with` block, into a separate function."


def _torch_reason(skipped: Skipped) -> tuple[str, ...]:
    reason = skipped.site.reason if skipped.site else skipped.first.fail_reason
    return (f"torch: {headline(reason)}",) if reason else ()


CHECK = Check(
    code="CD104",
    name="frame-skipped",
    severity="error",
    category="frames",
    consequence=True,
    effect=("runs in plain Python", "run in plain Python"),
    summary="A frame ran eagerly because Dynamo gave up on it.",
    explanation="""\
Dynamo cannot resume after a break in a loop, in a `try` or in some `with` blocks. It then compiles nothing of the
function and runs it in plain Python. The functions that it calls are compiled separately. The finding is at the
function that was skipped; the break that caused it has a separate finding.
""",
    detect=detect,
    fires="""\
import torch


class Retry(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = torch.nn.Linear(8, 8)

    def forward(self, x):
        try:
            y = self.proj(x)
            print("projected", y.shape)
        except ValueError:
            y = x
        return y.relu()


def build_model():
    return Retry()


def example_inputs():
    return (torch.randn(4, 8),)
""",
    silent="""\
import torch


class Retry(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = torch.nn.Linear(8, 8)

    def forward(self, x):
        try:
            y = self.proj(x)
        except ValueError:
            y = x
        return y.relu()


def build_model():
    return Retry()


def example_inputs():
    return (torch.randn(4, 8),)
""",
)
