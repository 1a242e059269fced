"""CD206: a global setting of torch changed between calls."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks.base import Check, recompile_values
from compile_doctor.checks.recompile_groups import expected
from compile_doctor.model.findings import Finding

_FIXES = {
    "grad_mode": "With and without gradients there is one graph each: nothing to do if you need both. Else call it always under "
    "torch.no_grad(), or never; warm up in the mode in which you run.",
    "autocast": "Enter autocast around every call, or inside the compiled function.",
    "num_threads": "Set the number of threads once, before the first call.",
    "default_dtype": "Set the default dtype once, before the first call.",
}


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    for group in seen.recompiled:
        if group.guard.kind == "state":
            words = group.guard.words
            yield CHECK.finding(
                f"Recompiled for a global setting: {group.guard.source}",
                f"Between two calls {words}. Compiled code is valid for one setting only.",
                fix=_FIXES.get(group.guard.source, "Set it once, before the first call."),
                severity="info" if expected(group) else "warning",
                **recompile_values(seen, group),
            )


CHECK = Check(
    code="CD206",
    name="global-state-recompile",
    severity="warning",
    category="recompiles",
    summary="Grad mode, autocast, default dtype, thread count or similar changed between calls.",
    explanation="""\
Every graph has guards on torch's global settings, because they change what operators do. A model that is warmed up with
gradients and then called under torch.no_grad() is compiled twice. If a data loader sets the number of threads,
everything is compiled again.
""",
    detect=detect,
    fires="""\
import torch


class Scorer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.model = torch.compile(torch.nn.Linear(8, 8), backend="eager")
        self.calls = 0

    @torch.compiler.disable
    def forward(self, x):
        self.calls += 1
        with torch.set_grad_enabled(self.calls % 2 == 0):
            return self.model(x)


def build_model():
    return Scorer()


def example_input_sets():
    return [(torch.randn(4, 8),)] * 3
""",
    silent="""\
import torch


class Scorer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.model = torch.compile(torch.nn.Linear(8, 8), backend="eager")

    @torch.compiler.disable
    def forward(self, x):
        with torch.no_grad():
            return self.model(x)


def build_model():
    return Scorer()


def example_input_sets():
    return [(torch.randn(4, 8),)] * 3
""",
)
