"""CD003: the time that was given ran out."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks.base import Check
from compile_doctor.model.findings import Finding

_WORDS = {
    "import": "importing the target",
    "build": "building the model",
    "inputs": "making the inputs",
    "compiled": "running it under torch.compile",
    "eager": "running it in eager mode",
}


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    for child in seen.evidence.children:
        if child.ended != "timeout":
            continue
        phase = next(
            (name for name, state in reversed(list(seen.evidence.phases.items())) if state == "begun"), "compiled"
        )
        open_frames = [c for c in seen.evidence.compilations if c.guarded is None]
        evidence = []
        if open_frames:
            last = open_frames[-1]
            evidence.append(f"{last.function} ({last.file}:{last.line}) was being compiled")
        yield CHECK.finding(
            f"Timed out while {_WORDS.get(phase, phase)}",
            "The process was stopped. What had been seen until then is reported below.",
            location=seen.location(open_frames[-1].file, open_frames[-1].line, open_frames[-1].function)
            if open_frames and phase == "compiled"
            else None,
            cause=f"timeout:{phase}",
            fix="Give it longer with --timeout SECONDS, or smaller inputs; --backend eager skips code generation.",
            evidence=tuple(evidence),
        )
        return


CHECK = Check(
    code="CD003",
    name="timed-out",
    severity="",
    category="target",
    exit_code=3,
    summary="--timeout passed (exit code 3); the evidence so far is kept and reported.",
    explanation="""\
The target did not come to an end within --timeout seconds and was stopped, with all its child processes. The report
shows what was seen until then, and which frame was being compiled. It says nothing about what would have come after.
""",
    detect=detect,
    fires="""\
import time

import torch


class Waits(torch.nn.Module):
    def forward(self, x):
        if not torch.compiler.is_compiling():
            time.sleep(3600)
        return x.relu()


def build_model():
    return Waits()


def example_inputs():
    return (torch.randn(4, 8),)
""",
    silent="""\
import torch


class Prompt(torch.nn.Module):
    def forward(self, x):
        return x.relu()


def build_model():
    return Prompt()


def example_inputs():
    return (torch.randn(4, 8),)
""",
)
