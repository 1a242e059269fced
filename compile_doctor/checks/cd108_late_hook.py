"""CD108: a hook that was registered after its module had been compiled, and never runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks.base import Check
from compile_doctor.model.compilations import LateHook
from compile_doctor.model.findings import Finding, Location
from compile_doctor.source import locations

MOST = 3
"""The number of modules that are named."""


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    groups: dict[tuple[str, int, str, str], list[LateHook]] = defaultdict(list)
    for one in seen.evidence.late_hooks:
        groups[one.file, one.line, one.hook, one.kind].append(one)
    for (file, line, hook, kind), found in groups.items():
        names = list(dict.fromkeys(f"{one.module} ({one.type})" for one in found))
        listed = ", ".join(names[:MOST]) + (", …" if len(names) > MOST else "")
        yield CHECK.finding(
            "A hook that compiled code does not call",
            f"`{hook}` was registered as a {kind.replace('_', ' ')} of {listed} after the first call. torch has no guard on "
            "hooks: the graph that was compiled before does not call it.",
            location=Location(
                file, line, locations.enclosing(seen.evidence.sources, file, line), seen.snippet(file, line)
            )
            if file
            else None,
            owner=seen.owner(file) if file else "mine",
            count=len(found),
            cause=f"late-hook:{kind}",
            fix="Register the hook before the first call of what is compiled: then it is part of the graph. If it has to come "
            "later, set torch._dynamo.config.skip_nnmodule_hook_guards = False before the first call; torch then compiles "
            "again for it.",
            evidence=(f"{len(found)} hooks that were not there when the graph was traced",),
        )


CHECK = Check(
    code="CD108",
    name="late-hook",
    severity="warning",
    category="frames",
    summary="A hook was registered after its module had been compiled: the compiled code does not call it.",
    explanation="""\
Dynamo traces the hooks that a module has at the first call. For speed it has no guard on them
(`torch._dynamo.config.skip_nnmodule_hook_guards`), so a hook that comes later is not noticed: the compiled code continues
without it, silently. Hooks of the outermost compiled module are not affected, because torch calls them outside of the
graph.
""",
    detect=detect,
    options="--as-is",
    fires="""\
import torch


class Probed(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU())
        self.fast = torch.compile(self.body, backend="eager")
        self.seen = []

    def forward(self, x):
        y = self.fast(x)
        if not self.seen:
            self.seen.append(None)
            self.body[0].register_forward_hook(lambda module, args, output: self.seen.append(output.shape))
        return y


def build_model():
    return Probed()


def example_inputs():
    return (torch.randn(4, 8),)
""",
    silent="""\
import torch


class Probed(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU())
        self.seen = []
        self.body[0].register_forward_hook(lambda module, args, output: self.seen.append(output.shape))
        self.fast = torch.compile(self.body, backend="eager")

    def forward(self, x):
        return self.fast(x)


def build_model():
    return Probed()


def example_inputs():
    return (torch.randn(4, 8),)
""",
)
