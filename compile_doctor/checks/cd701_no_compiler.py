"""CD701: no working C++ compiler or Triton for the device."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks.base import Check
from compile_doctor.model.evidence import Failure
from compile_doctor.model.findings import Finding

_CXX = re.compile(r"InvalidCxxCompiler|No working C\+\+ compiler")
_TRITON = re.compile(r"TritonMissing|Cannot find a working triton installation")


def is_missing_compiler(failure: Failure) -> bool:
    """Whether the cause of the failure is the environment, not the model."""
    return any(_CXX.search(_text(link)) or _TRITON.search(_text(link)) for link in failure.chain)


def _text(link: object) -> str:
    return f"{getattr(link, 'type', '')}: {getattr(link, 'message', '')}"


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    texts = [_text(link) for failure in seen.evidence.failures for link in failure.chain]
    texts += [compilation.error for compilation in seen.evidence.compilations if compilation.error]
    for pattern, what, fix in (
        (_CXX, "C++ compiler", "Install one (Debian: apt-get install g++; macOS: xcode-select --install) or set CXX."),
        (_TRITON, "Triton", "Install the triton that belongs to this torch: pip install --upgrade triton."),
    ):
        if any(pattern.search(text) for text in texts):
            yield CHECK.finding(
                f"No working {what}",
                f"This machine cannot compile the code that Inductor generates, because it has no working {what}.",
                owner="torch",
                cause=f"no-{what.lower()}",
                fix=f"{fix} Until then, --backend eager reports breaks and recompilations, not kernels.",
                evidence=(f"torch raised {pattern.pattern.split('|')[0]}",),
            )


CHECK = Check(
    code="CD701",
    name="no-compiler",
    severity="error",
    category="machine",
    stops=True,
    summary="No working C++ compiler or Triton for the chosen device.",
    explanation="""\
Inductor turns graphs into C++ (CPU) or Triton (GPU) source and compiles it on this machine. Without a compiler nothing
can be compiled; `compile-doctor env` shows what is installed. The finding is about the machine, not about the model.
""",
    detect=detect,
    fires="""\
import os

os.environ["CXX"] = "/nowhere/g++"  # a machine without a compiler

import torch


def build_model():
    from torch._inductor import config

    config.cpp.cxx = ("/nowhere/g++",)
    return torch.compile(torch.nn.Softplus(), backend="inductor")


def example_inputs():
    return (torch.randn(4, 8),)
""",
    silent="""\
import torch


def build_model():
    return torch.compile(torch.nn.Softplus(), backend="aot_eager")


def example_inputs():
    return (torch.randn(4, 8),)
""",
)
