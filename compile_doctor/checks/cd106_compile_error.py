"""CD106: an exception under torch.compile, while eager works."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compile_doctor.analysis.attention.failing import failing_attention, failing_graph
from compile_doctor.analysis.compile_errors import DAMAGED, described, is_limit, stance_that_raised
from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.root_cause import COMPILE_ERRORS, root_cause
from compile_doctor.checks.base import Check
from compile_doctor.checks.cd314_cudagraph_overwritten import is_overwritten
from compile_doctor.checks.cd701_no_compiler import is_missing_compiler
from compile_doctor.checks.damaged_cache import damaged_cache
from compile_doctor.model.evidence import Failure
from compile_doctor.model.findings import Finding
from compile_doctor.model.stacks import Frame, function_name
from compile_doctor.recipes.errors import recipe_for_error


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    failure = seen.failure
    if failure is None or is_missing_compiler(failure) or seen.refusal is not None:
        return  # CD701, or the CD3xx or CD4xx that reports what attention refused
    if is_overwritten(failure):
        return  # CD314
    if is_limit(failure) and any(record.kind == "limit" for record in seen.evidence.logs):
        return  # CD202: the limit that raised is one finding
    eager = seen.evidence.failure("eager")
    done = seen.evidence.phases.get("eager") == "done"
    known = any(COMPILE_ERRORS.search(link.type) for link in failure.chain) or stance_that_raised(failure) is not None
    if (eager is not None and stance_that_raised(eager) is None) or not (done or known):
        return
    cause = root_cause(failure, seen.torch_root)
    error = described(failure, cause, seen.evidence.sources, seen.torch_root)
    types = " > ".join(link.type for link in failure.chain)
    place = cause.frame
    if place is None and "target: flex_attention" in _everything(failure):
        place = failing_attention(seen)  # Inductor names the user's line only from torch 2.11 on
    message, fix = error.message, error.fix
    title = "Fails under torch.compile only" if done else "Raised while compiling; eager mode was not tried"
    recipe = None
    if seen.evidence.facts.damaged_cache or error.key == DAMAGED:
        yield CHECK.finding(
            **damaged_cache(seen, error.message), evidence=(_control(seen), f"exceptions, outermost first: {types}")
        )
        return
    # A C++ compiler's error does not show what was lowered: the graph does.
    graph = failing_graph(seen)
    within = sorted({node.api for node in graph.attention}) if graph else []
    text = "\n".join([_everything(failure), *within])
    known_defect = recipe_for_error(cause.message, text, seen.evidence.environment)
    if known_defect:
        title, recipe, fix = known_defect.title, known_defect.id, " ".join(known_defect.workaround.split())
        message = f"{' '.join(known_defect.explanation.split())} torch: {_kind(cause.type)}: {cause.message}"
        if known_defect.conditions.get("uses") == "flex_attention":
            place = failing_attention(seen) or place  # what is running is often an outer line
    place = place or failing_attention(seen) or _failed_at(seen)
    key = f"defect:{recipe}" if recipe else error.key or f"error:{_kind(cause.type)}:{_normal(cause.message)}"
    yield CHECK.finding(
        title,
        message,
        recipe=recipe,
        location=seen.location(place.file, place.line, place.function) if place else None,
        owner=seen.owner(place.file) if place else "torch",
        upstream=error.upstream,
        cause=key,
        baseline_cause=key,
        fix=fix,
        evidence=(_control(seen), f"exceptions, outermost first: {types}"),
    )


def _control(seen: AnalysisContext) -> str:
    """What the eager control run shows, and under which stance it ran if that is not the compiled run's."""
    if seen.evidence.phases.get("eager") != "done":
        return "eager mode was not tried: only a compiler raises this type"
    stance = stance_that_raised(seen.failure)
    other = f'torch.compiler.set_stance("{stance}")' if stance else seen.evidence.facts.restrained
    return (
        f"the eager control run passed under the stance force_eager; the compiled run was another: {other}"
        if other
        else "the same inputs work in eager mode"
    )


def _failed_at(seen: AnalysisContext) -> Frame | None:
    """The user's line in the metrics of the compilation that raised."""
    raised = seen.raised
    return Frame(*raised.fail_at, function_name(raised.function)) if raised and raised.fail_at else None


def _kind(type_name: str) -> str:
    return type_name.rsplit(".", 1)[-1]


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
