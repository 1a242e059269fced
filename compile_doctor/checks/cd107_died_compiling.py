"""CD107: the process died under torch.compile, while eager survives."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.attention.block_masks import fatal
from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks import needs
from compile_doctor.checks.base import Check
from compile_doctor.checks.block_mask_words import evidence_of, fix, sizes
from compile_doctor.checks.damaged_cache import damaged_cache
from compile_doctor.model.findings import Finding


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    evidence = seen.evidence
    died = next(
        (child for child in evidence.children if child.mode == "diagnose" and _died(child.signal, child.exit_code)),
        None,
    )
    if died is None or evidence.phases.get("compiled") != "begun" or evidence.phases.get("eager") != "done":
        return
    if evidence.facts.damaged_cache:
        how = f"The process was ended by {died.signal or died.exit_code}."
        seen_again = "a second process compiled the target with an empty cache, and passed"
        yield CHECK.finding(**damaged_cache(seen, how), evidence=(seen_again,))
        return
    misfit = fatal(evidence)
    if misfit is not None:
        yield CHECK.finding(
            f"The process dies under torch.compile ({died.signal}): a BlockMask does not fit its query",
            f"{sizes(misfit)}. torch does not compare them, and the compiled kernel looks up blocks that the mask does not have. "
            "In eager mode, which evaluates mask_mod itself, the same inputs work.",
            location=seen.location(misfit.frame.file, misfit.frame.line, misfit.frame.function),
            owner=seen.owner(misfit.frame.file),
            via=seen.via(misfit.stack, misfit.frame),
            cause="died:block-mask-misfit",
            fix=fix(misfit),
            evidence=(f"ended by {died.signal} in the first call of the graph", evidence_of(misfit)),
        )
        return
    open_frames = [compilation for compilation in evidence.compilations if compilation.guarded is None]
    last = open_frames[-1] if open_frames else None
    how = f"ended by {died.signal}" if died.signal else f"ended with exit code {died.exit_code} without an exception"
    out_of_memory = " Linux sends this signal when memory runs out." if died.signal == "SIGKILL" else ""
    doing = f"while {last.function} was being compiled" if last else "while compiled code was running"
    yield CHECK.finding(
        f"The process dies under torch.compile ({died.signal or died.exit_code})",
        f"It was {how} {doing}; in eager mode the same inputs work.{out_of_memory}",
        location=seen.location(last.file, last.line, last.function) if last else None,
        owner=seen.owner(last.file) if last else "torch",
        cause=f"died:{died.signal or died.exit_code}",
        fix="Try --backend aot_eager, then eager: the first that survives shows whether Inductor, AOTAutograd or Dynamo fails.",
        evidence=(how, "a second process ran the target in eager mode without an error"),
    )


def _died(signal: str | None, code: int | None) -> bool:
    return bool(signal) or code not in (0, None)


CHECK = Check(
    code="CD107",
    name="died-compiling",
    severity="error",
    category="compile-errors",
    stops=True,
    needs=(needs.eager_run,),
    summary="The process was killed by a signal or ran out of memory under torch.compile, while eager survives.",
    explanation="""\
The target runs in a child process, so its death is evidence and does not end the diagnosis. It died under
torch.compile; a second process ran the same inputs in eager mode without an error. The finding names the frame that was
being compiled, if any.
""",
    detect=detect,
    fires="""\
import os

import torch


def crashing_backend(graph, inputs):
    os.abort()


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = torch.nn.Linear(8, 8)

    def forward(self, x):
        return self.proj(x).relu()


def build_model():
    return torch.compile(Block(), backend=crashing_backend)


def example_inputs():
    return (torch.randn(4, 8),)
""",
    silent="""\
import torch


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = torch.nn.Linear(8, 8)

    def forward(self, x):
        return self.proj(x).relu()


def build_model():
    return torch.compile(Block(), backend="eager")


def example_inputs():
    return (torch.randn(4, 8),)
""",
)
