"""CD304: the options of an inner torch.compile are lost in an outer one."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.attention.calls import place
from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks.attention_values import at_frame
from compile_doctor.checks.base import Check
from compile_doctor.model.findings import Finding
from compile_doctor.model.stacks import function_name


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    outer = vars(seen.evidence.asked.settings)
    reported = set()
    for compilation in seen.evidence.compilations:
        for inner in compilation.graph.inlined if compilation.graph else ():
            lost = {name: value for name, value in inner.options.items() if outer.get(name) != value}
            frame = place(inner.stack, seen.torch_root)
            if not lost or frame is None or (frame.file, frame.line) in reported:
                continue
            reported.add((frame.file, frame.line))
            named = ", ".join(f"{name}={value!r}" for name, value in lost.items())
            yield CHECK.finding(
                f"Options of an inner torch.compile are dropped: {inner.function}",
                f"{inner.function} has its own torch.compile with {named}, but was inlined into the graph of "
                f"{function_name(compilation.function)}: the options of the outer torch.compile apply, these are lost.",
                cause=f"nested:{inner.function}:{','.join(sorted(lost))}",
                fix="Give the options to the outer torch.compile; or call the compiled function from a plain function and "
                "disable that one (torch.compiler.disable), at the cost of one graph break.",
                evidence=(
                    f"graph {compilation.label} has operations of {inner.function}",
                    f"its torch.compile: {named}",
                ),
                **at_frame(seen, frame),
            )


CHECK = Check(
    code="CD304",
    name="nested-options-dropped",
    severity="warning",
    category="attention",
    summary="An inner torch.compile(fn, mode=/dynamic=/backend=/options=) is inlined by an outer one and its options are lost.",
    explanation="""\
If a compiled function calls another compiled function, Dynamo inlines the inner one. Its graph then belongs to the
outer torch.compile, with the outer mode, dynamic, backend and options; torch drops the inner ones without a warning
(torch 2.8 to 2.15). For flex_attention the kernel stays fused, but a `mode="max-autotune-no-cudagraphs"` or
`dynamic=True` that was meant for it has no effect.
""",
    detect=detect,
    fires="""\
import torch


def activate(x):
    return torch.nn.functional.gelu(x) * x.sigmoid()


activate = torch.compile(activate, dynamic=True)


class Gated(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.up = torch.nn.Linear(16, 32)

    def forward(self, x):
        return activate(self.up(x))


def build_model():
    return Gated()


def example_inputs():
    return (torch.randn(8, 16),)
""",
    silent="""\
import torch


@torch.compile
def activate(x):
    return torch.nn.functional.gelu(x) * x.sigmoid()


class Gated(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.up = torch.nn.Linear(16, 32)

    def forward(self, x):
        return activate(self.up(x))


def build_model():
    return Gated()


def example_inputs():
    return (torch.randn(8, 16),)
""",
)
