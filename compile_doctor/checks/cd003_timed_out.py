"""CD003: the run timed out."""

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
            "The process was stopped. The findings below are from what it did until then.",
            location=seen.location(open_frames[-1].file, open_frames[-1].line, open_frames[-1].function)
            if open_frames and phase == "compiled"
            else None,
            cause=f"timeout:{phase}",
            fix="Raise --timeout SECONDS, or use smaller inputs; --backend eager skips code generation.",
            evidence=tuple(evidence),
        )
        return


CHECK = Check(
    code="CD003",
    name="timed-out",
    severity="",
    category="target",
    exit_code=3,
    summary="The run timed out after --timeout (exit code 3); the evidence so far is kept and reported.",
    explanation="""\
The target did not finish within --timeout seconds and was stopped, with all its child processes. The report shows what
was seen until then, and which frame was being compiled. What would have come after is unknown.
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
