"""CD001: the target could not be imported or built."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.root_cause import root_cause
from compile_doctor.analysis.target_errors import advice, syntax_error_at
from compile_doctor.checks.base import Check
from compile_doctor.model.findings import Finding

BEFORE_RUNNING = ("import", "build", "inputs")
_WORDS = {"import": "importing it", "build": "building the model", "inputs": "making its inputs"}


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    for phase in BEFORE_RUNNING:
        failure = seen.evidence.failure(phase)
        if failure:
            cause = root_cause(failure, seen.torch_root)
            place = cause.frame or syntax_error_at(failure)
            message, fix = advice(phase, failure, cause, seen.evidence.target)
            yield CHECK.finding(
                f"The target fails while {_WORDS[phase]}",
                message,
                location=seen.location(place.file, place.line, place.function) if place else None,
                cause=f"{phase}:{cause.type}",
                fix=fix or _fix(phase, seen.evidence.target),
                evidence=tuple(failure.text.rstrip().splitlines()),
            )
            return
        died = next((child for child in seen.evidence.children if child.mode == "diagnose" and child.signal), None)
        if died and seen.evidence.phases.get(phase) == "begun":
            yield CHECK.finding(
                f"The process died while {_WORDS[phase]}",
                f"{died.signal} ended it before anything was compiled.",
                cause=f"{phase}:died",
                fix="Run the file by itself: torch.compile has no part in this.",
            )
            return


def _fix(phase: str, target: str) -> str:
    """If the import itself fails, a command that shows it; there is no such command for building the model."""
    name = target if target.endswith(".py") else target.rpartition(":")[0]
    if phase != "import" or not name or target.startswith("example:"):
        return "Fix it without compile-doctor: it fails before torch.compile does anything."
    command = shlex.join(["python", name] if name.endswith(".py") else ["python", "-c", f"import {name}"])
    return f"Run `{command}` until it works: it fails without compile-doctor too."


CHECK = Check(
    code="CD001",
    name="target-error",
    severity="",
    category="target",
    exit_code=2,
    target_fails=True,
    summary="The target cannot be imported or built (exit code 2).",
    explanation="""\
Nothing was compiled, because the target failed before that: while it was imported, while `build_model()` ran, or while
`example_inputs()` ran. The traceback is that of your code, without compile-doctor's frames.
""",
    detect=detect,
    fires="""\
import torch


def build_model():
    return torch.nn.Linear(8, 8)


def example_inputs():
    raise FileNotFoundError("calibration.pt: run scripts/calibrate.py first")
""",
    silent="""\
import torch


def build_model():
    return torch.nn.Linear(8, 8)


def example_inputs():
    return (torch.randn(4, 8),)
""",
)
