"""CD106: an exception under torch.compile, while eager works."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.graph_breaks.causes import find_cause
from compile_doctor.analysis.root_cause import COMPILE_ERRORS, root_cause
from compile_doctor.checks.base import Check
from compile_doctor.checks.cd701_no_compiler import is_missing_compiler
from compile_doctor.model.evidence import Failure
from compile_doctor.model.findings import Finding
from compile_doctor.recipes.errors import recipe_for_error


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    failure = seen.failure
    if failure is None or is_missing_compiler(failure) or seen.refusal is not None:
        return  # CD701, or the CD3xx or CD4xx that reports what attention refused
    eager = seen.evidence.phases.get("eager")
    known = any(COMPILE_ERRORS.search(link.type) for link in failure.chain)
    if eager == "failed" or (eager != "done" and not known):
        return
    cause = root_cause(failure, seen.torch_root)
    control = (
        "the same inputs work in eager mode"
        if eager == "done"
        else "eager mode was not tried: only a compiler raises this type"
    )
    types = " > ".join(link.type for link in failure.chain)
    place = cause.frame
    if place is None and "target: flex_attention" in _everything(failure):
        place = seen.failing_attention()  # Inductor names the user's line only from torch 2.11 on
    message = f"{cause.type.rsplit('.', 1)[-1]}: {cause.message}"
    fix = "Change this line, or keep it out of the graph: move it into a function under @torch.compiler.disable."
    if cause.type.endswith("exc.Unsupported"):
        broke = find_cause(failure.chain[-1].message, None)
        message = f"fullgraph=True turns a graph break into an error ({broke.title}). {broke.why}"
        fix = broke.fix
    title = "Fails under torch.compile only" if eager == "done" else "Raised while compiling; eager mode was not tried"
    recipe = None
    # A C++ compiler's error does not show what was lowered: the graph does.
    within = sorted({node.api for node in seen.failing_graph.attention}) if seen.failing_graph else []
    text = "\n".join([_everything(failure), *within])
    known_defect = recipe_for_error(cause.message, text, seen.evidence.environment)
    if known_defect:
        title, recipe, fix = known_defect.title, known_defect.id, known_defect.workaround
        message = f"{' '.join(known_defect.explanation.split())} torch: {message}"
        if known_defect.conditions.get("uses") == "flex_attention":
            place = seen.failing_attention() or place  # what is running is often an outer line
    place = place or seen.failing_attention()
    yield CHECK.finding(
        title,
        message,
        recipe=recipe,
        location=seen.location(place.file, place.line, place.function) if place else None,
        owner=seen.owner(place.file) if place else "torch",
        cause=f"defect:{recipe}" if recipe else f"error:{cause.type.rsplit('.', 1)[-1]}:{_normal(cause.message)}",
        fix=fix,
        evidence=(control, f"exceptions, outermost first: {types}"),
    )


def _everything(failure: Failure) -> str:
    """All messages of the chain, and the functions in its stacks."""
    functions = (frame.function for link in failure.chain for frame in link.stack)
    return "\n".join([*(link.message for link in failure.chain), *functions])


def _normal(message: str) -> str:
    """The message without values and paths, so that the same error keeps its identity."""
    return re.sub(r"/\S+|0x[0-9a-f]+|\d+", "N", message)[:80]


CHECK = Check(
    code="CD106",
    name="compile-error",
    severity="error",
    category="compile-errors",
    stops=True,
    own_recipe=True,
    summary="A compile-time exception (Dynamo, AOTAutograd, Inductor, C++ or Triton compiler), while eager works.",
    explanation="""\
torch.compile raised, and the same model with the same inputs works in eager mode. torch wraps the exception several
times. The finding shows the innermost one (for a C++ or Triton compiler its first error line) and the line of your
code that was being compiled.

Usual causes: `fullgraph=True` with a graph break, an operator without a meta (fake tensor) implementation, a data
type or layout that Inductor cannot lower, a defect of this version of torch.
""",
    detect=detect,
    fires="""\
import torch


class Scorer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = torch.nn.Linear(8, 8)

    def forward(self, x):
        y = self.proj(x)
        print("scores", y.shape)
        return y.softmax(-1)


def build_model():
    return torch.compile(Scorer(), fullgraph=True, backend="eager")


def example_inputs():
    return (torch.randn(4, 8),)
""",
    silent="""\
import torch


class Scorer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = torch.nn.Linear(8, 8)

    def forward(self, x):
        return self.proj(x).softmax(-1)


def build_model():
    return torch.compile(Scorer(), fullgraph=True, backend="eager")


def example_inputs():
    return (torch.randn(4, 8),)
""",
)
