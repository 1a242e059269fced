"""CD601: the compiled output is another than eager's, beyond what precision explains."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis import Seen
from compile_doctor.checks.base import Check
from compile_doctor.findings import Finding

TOLERATED = 0.1
"""Share of the largest eager value: far beyond rounding in any dtype, bfloat16 included."""

_CPU_FLEX = (
    "Inductor's CPU code for flex_attention reads a key or value that lies inside a larger tensor (chunk, split, a slice of "
    "a fused projection) from that tensor's start: try k, v = k.contiguous(), v.contiguous(). If it still differs, compile "
    "one part after the other until the part that differs is left, and report that to PyTorch."
)


def detect(seen: Seen) -> Iterator[Finding]:
    difference, manifest = seen.evidence.max_difference, seen.evidence.manifest
    largest, unlike = manifest.get("largest_output"), manifest.get("unlike")
    if manifest.get("random"):
        return
    if unlike:
        said, measured = f"The outputs of the first call differ: {unlike}", unlike
    elif difference is None or not largest or difference <= TOLERATED * largest:
        return
    else:
        said = f"The outputs of the first call differ by up to {difference:.2g}, where the largest eager value is {largest:.2g}"
        measured = f"largest absolute difference {difference:.3g}, tolerated here {TOLERATED * largest:.3g}"
    at = manifest.get("compared_at")
    yield CHECK.finding(
        "Compiled and eager give different results",
        said + (f" (at {at:,} tokens)." if at else "."),
        cause="numerics",
        fix=_CPU_FLEX
        if _cpu_flex(seen)
        else "Do not use the compiled model yet. Halve it: compile one part after the other (--as-is, with torch.compile around "
        "a submodule) until the part that differs is left; then report that to PyTorch.",
        evidence=(
            measured,
            "the eager control run started from a freshly built model and the same seeds, and drew no random numbers",
        ),
    )


def _cpu_flex(seen: Seen) -> bool:
    return any(
        verdict.site.api == "flex_attention"
        and verdict.site.lowerings
        and tensor is not None
        and tensor.device == "cpu"
        for verdict in seen.attention
        for tensor in verdict.site.inputs[:1]
    )


CHECK = Check(
    code="CD601",
    name="numerics-differ",
    severity="error",
    summary="The compiled output differs from eager's: by more than a tenth of the largest value, or in shape, dtype, NaN.",
    explanation="""\
The doctor runs the target in eager mode too, and compares the tensors of the first call. Rounding explains a small
difference; a tenth of the largest value it does not, in any precision, nor another shape, dtype or NaN. Models that draw random numbers (dropout while
training) are not judged: compiled code draws others. A difference below that is shown on the last line of the report.
""",
    detect=detect,
    fires="""\
import torch


def wrong(x):
    return x.sin() * (2.0 if torch.compiler.is_compiling() else 1.0)


class Model(torch.nn.Module):
    def forward(self, x):
        return wrong(x)


def build_model():
    return Model()


def example_inputs():
    return (torch.ones(8),)
""",
    silent="""\
import torch


class Model(torch.nn.Module):
    def forward(self, x):
        return x.sin() * 2.0


def build_model():
    return Model()


def example_inputs():
    return (torch.ones(8),)
""",
)
