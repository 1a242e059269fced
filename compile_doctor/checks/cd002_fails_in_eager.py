"""CD002: the target fails without torch.compile too."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compile_doctor.analysis.attention.input_errors import explain
from compile_doctor.analysis.compile_errors import stance_that_raised
from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.root_cause import root_cause
from compile_doctor.checks import needs
from compile_doctor.checks.base import Check
from compile_doctor.checks.missing_kernel import missing_kernel
from compile_doctor.checks.varlen_refusals import varlen_fix
from compile_doctor.model.findings import Finding

_NO_GRAD = re.compile(r"does not require grad|does not have a grad_fn")


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    failure = seen.evidence.failure("eager")
    if failure and seen.refusal and explain(seen.evidence, failure, seen.torch_root):
        return  # CD3xx and CD4xx name the cause, which is the same in both modes
    if failure and seen.refused_eagerly:
        return  # eager attention has no such kernel: judged by the compiled run
    if failure and stance_that_raised(failure):
        return  # the target sets a stance by itself, and that is what raised: CD106
    if failure:
        cause = root_cause(failure, seen.torch_root)
        if _NO_GRAD.search(cause.message) and not seen.evidence.asked.settings.grad:
            yield CHECK.finding(
                "The target needs gradients",
                f"{cause.type}: {cause.message}. compile-doctor calls the model under torch.no_grad() by default.",
                cause="eager:no-grad",
                fix="Add --grad.",
                evidence=tuple(failure.text.rstrip().splitlines()),
            )
            return
        words = missing_kernel(cause.message) or {
            "title": "The target fails in eager mode" + _size(seen),
            "message": f"{cause.type}: {cause.message}",
            "cause": f"eager:{cause.type}",
            "fix": varlen_fix(cause.message, failure.text)
            or "Fix this first: run the model on its inputs without torch.compile.",
        }
        yield CHECK.finding(
            **words,
            location=seen.location(cause.frame.file, cause.frame.line, cause.frame.function) if cause.frame else None,
            evidence=tuple(failure.text.rstrip().splitlines()),
        )
        return
    for child in seen.evidence.children:
        if child.mode == "control" and child.signal and seen.evidence.phases.get("eager") == "begun":
            yield CHECK.finding(
                f"The target dies in eager mode ({child.signal})",
                f"{child.signal} ended the process without torch.compile too.",
                cause="eager:died",
                fix="Run the model on its inputs without torch.compile, under `python -X faulthandler`.",
                evidence=("a second process ran the target in eager mode only, and died",),
            )


def _size(seen: AnalysisContext) -> str:
    """The size of the ladder at which it fails, if it works at smaller ones; else empty."""
    ran = [rung for rung in seen.evidence.rungs if rung.evidence is not None]
    last = ran[-1] if ran else None
    alone = last is not None and last.evidence is not None and last.evidence.failure("eager") is not None
    return f" at {last.tokens:,} tokens" if last is not None and alone and len(ran) > 1 else ""


CHECK = Check(
    code="CD002",
    name="fails-in-eager",
    severity="",
    category="target",
    exit_code=3,
    target_fails=True,
    needs=(needs.eager_run,),
    summary="The target raises, or dies, without torch.compile too (exit code 3).",
    explanation="""\
Every diagnosis runs the target once more in eager mode. It failed there as well, so torch.compile is not the cause.
Common causes: shapes that do not fit, a missing key, a bug in the model.
""",
    detect=detect,
    fires="""\
import torch


class Classifier(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = torch.nn.Linear(8, 16)
        self.head = torch.nn.Linear(32, 4)

    def forward(self, x):
        return self.head(self.body(x))


def build_model():
    return Classifier()


def example_inputs():
    return (torch.randn(2, 8),)
""",
    silent="""\
import torch


class Classifier(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = torch.nn.Linear(8, 16)
        self.head = torch.nn.Linear(16, 4)

    def forward(self, x):
        return self.head(self.body(x))


def build_model():
    return Classifier()


def example_inputs():
    return (torch.randn(2, 8),)
""",
)
