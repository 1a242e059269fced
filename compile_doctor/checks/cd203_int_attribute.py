"""CD203: the failed guard is an int attribute of a module."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks.base import Check, recompile_values
from compile_doctor.checks.recompile_advice import advice
from compile_doctor.checks.recompile_groups import consequence, explained
from compile_doctor.model.findings import Finding


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    for group in seen.recompiled:
        if group.guard.kind == "module-int":
            attribute = group.guard.source.rsplit(".", 1)[-1]
            yield CHECK.finding(
                f"Recompiled for an int attribute: {attribute}",
                f"torch treats the int attributes of a module as constants: `{group.guard.source}` was {group.guard.was}, and "
                f"each other value compiles {group.function} again.{explained(seen, group)}{consequence(seen, group)}",
                fix=advice(seen, group)
                if group.written
                else f"Do not read self.{attribute} inside the compiled code. Make it a buffer (torch.tensor), or set "
                "torch._dynamo.config.allow_unspec_int_on_nn_module = True. Move a counter out of forward.",
                **recompile_values(seen, group),
            )


CHECK = Check(
    code="CD203",
    name="int-attribute-recompile",
    severity="warning",
    category="recompiles",
    summary="The failed guard is an int attribute of a module (layer_idx, a step counter).",
    explanation="""\
Dynamo treats the int attributes of an nn.Module as constants and guards on their values. Layers that share code but
differ in `layer_idx`, compiled one by one, are recompiled once per layer. A step counter that `forward` increments
recompiles at every call. At `recompile_limit` (8) the frame falls back to plain Python (CD202).
See pytorch/pytorch issues 128319 and 142829.
""",
    detect=detect,
    fires="""\
import torch


class StepScaled(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = torch.nn.Linear(8, 8)
        self.step = 0

    def forward(self, x):
        self.step += 1
        return self.proj(x) * self.step


def build_model():
    return StepScaled()


def example_input_sets():
    return [(torch.randn(4, 8),)] * 4
""",
    silent="""\
import torch


class StepScaled(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = torch.nn.Linear(8, 8)
        self.register_buffer("step", torch.zeros(()))

    def forward(self, x):
        self.step += 1
        return self.proj(x) * self.step


def build_model():
    return StepScaled()


def example_input_sets():
    return [(torch.randn(4, 8),)] * 4
""",
)
