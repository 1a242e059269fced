"""CD314: a tensor is read that a later replay of its CUDA graph has overwritten."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compile_doctor.analysis.attention.calls import place
from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks.attention_values import at_frame
from compile_doctor.checks.base import Check
from compile_doctor.model.evidence import Failure
from compile_doctor.model.findings import Finding
from compile_doctor.model.stacks import Frame

_FRAME = re.compile(r'File "([^"]+)", line (\d+), in (\S+)')
_WORDS = "CUDAGraphs that has been overwritten"


def is_overwritten(failure: Failure | None) -> bool:
    """Whether torch raised because of it."""
    return failure is not None and any(_WORDS in link.message for link in failure.chain)


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    failure = seen.failure
    if failure is None or not is_overwritten(failure):
        return
    link = next(link for link in failure.chain if _WORDS in link.message)
    made = place([Frame(m[1], int(m[2]), m[3]) for m in _FRAME.finditer(link.message)], seen.torch_root)
    read = place(link.stack, seen.torch_root)
    where = f" It was made at line {made.line}." if made and read else ""
    yield CHECK.finding(
        "The output of a CUDA graph is used after the next call",
        f"A replay writes into the same memory each time, and this tensor was kept over a call.{where}",
        cause="cudagraph-overwritten",
        fix="Clone what is kept, outside of the compiled function: kept = output.clone(). Between training steps call "
        "optimizer.zero_grad(set_to_none=True). If nothing is kept, call torch.compiler.cudagraph_mark_step_begin() before each step.",
        evidence=(f"torch: {link.message.split(' Stack trace:')[0]}",),
        **at_frame(seen, read or made),
    )


CHECK = Check(
    code="CD314",
    name="cudagraph-overwritten",
    severity="error",
    category="compile-errors",
    stops=True,
    device="cuda",
    options="--mode reduce-overhead --repeat 4",
    summary="An output of a CUDA graph is used after a later call has overwritten it.",
    explanation="""\
The outputs of a CUDA graph lie in memory that every replay writes again. A tensor that is kept over a call (a hidden
state, a loss in a list, a gradient that accumulates) then has the values of the later call; torch raises an error where
it notices that. Values that are kept must be copied.
""",
    detect=detect,
    fires="""\
import torch


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(256, 256)
        self.before = None

    @torch.compiler.disable
    def mixed(self, y):
        mixed = y if self.before is None else y + self.before
        self.before = y
        return mixed

    def forward(self, x):
        return self.mixed(self.linear(x)) * 2


def build_model():
    return Model()


def example_inputs():
    return (torch.randn(64, 256),)
""",
    silent="""\
import torch


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(256, 256)
        self.before = None

    @torch.compiler.disable
    def mixed(self, y):
        mixed = y if self.before is None else y + self.before
        self.before = y.clone()
        return mixed

    def forward(self, x):
        return self.mixed(self.linear(x)) * 2


def build_model():
    return Model()


def example_inputs():
    return (torch.randn(64, 256),)
""",
)
