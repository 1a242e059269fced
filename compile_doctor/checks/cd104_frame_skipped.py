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
            evidence=(f"no code with guards came out of frame {first.label}", *_said(skipped)),
        )


def _why(seen: AnalysisContext, skipped: Skipped, qualified: str) -> str:
    site = skipped.site
    if site is None:
        return f"Dynamo gave up on {qualified}: {headline(skipped.first.fail_reason or 'no reason given')}"
    same = site.frame.file == skipped.first.file and site.frame.function == function_name(skipped.first.function)
    where = f"line {site.frame.line}" if same else f"{locations.short(site.frame.file)}:{site.frame.line}"
    lies = "in a loop, where" if skipped.loop else "where"
    resumed = skipped.first.function != function_name(skipped.first.function)
    rest = "what is left of the function" if resumed else "the whole function"
    return f"It breaks at {where} ({site.cause.title}), {lies} Dynamo cannot resume: {rest} runs in plain Python."


def _fix(skipped: Skipped) -> str:
    if skipped.site is None and skipped.first.fail_type not in (None, "Unsupported"):
        return "Set torch._dynamo.config.suppress_errors = False: the error is raised then, with its place. Mend that."
    if skipped.site is None:
        return "Mend the cause that torch names."
    return (
        "Mend the break that causes it; or move the loop's body, or the `try`/`with` block, into a function of its own."
    )


def _said(skipped: Skipped) -> tuple[str, ...]:
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
A break in a loop, in a `try` or in some `with` blocks cannot be resumed from. Dynamo then compiles nothing of the
function and runs it in plain Python. The functions that it calls are compiled on their own. The finding is at the
function that was skipped; the break that caused it has a finding of its own.
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
