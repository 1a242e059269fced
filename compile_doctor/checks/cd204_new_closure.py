"""CD204: a callable argument is a new function, or carries a new closure or default value, on each call."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.recompiles import kinds
from compile_doctor.analysis.recompiles.groups import Recompiled
from compile_doctor.analysis.recompiles.guards import carrier
from compile_doctor.checks.base import Check, recompile_values
from compile_doctor.checks.recompile_groups import explained
from compile_doctor.checks.recompile_writes import in_place
from compile_doctor.model.findings import Finding


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    groups: dict[tuple[str, str, str], list[Recompiled]] = {}
    for group in seen.recompiled:
        if kinds.is_new_function(seen, group) and kinds.captures_shape(group):
            yield _captured_shape(seen, group)
        elif kinds.is_new_function(seen, group) and group.written:
            yield _counted(seen, group)
        elif kinds.is_new_function(seen, group):
            name = kinds.varied_function(group)
            groups.setdefault((group.file, group.function, name), []).append(group)
    for (_, _, name), found in groups.items():
        words = found[0].guard.words
        values = recompile_values(seen, found[0])
        yield CHECK.finding(
            f"Recompiled for a new function: {name}",
            (words if words.startswith("`") else words[:1].upper() + words[1:])
            + ": each new function compiles the frame again.",
            fix="Create the function once, outside the loop. Let it capture a tensor, and change that tensor in place "
            "(value.fill_(…)), instead of a Python value or a default argument.",
            **{**values, "count": sum(len(group.compilations) for group in found), "cause": f"function:{name}"},
        )


def _counted(seen: AnalysisContext, group: Recompiled) -> Finding:
    """The function may be the same one: it, or another one beside it, gives its `nonlocal` variable another value."""
    assert group.written
    function, at = kinds.varied_function(group), group.written
    return CHECK.finding(
        f"Recompiled for a value that changes: {at.name}",
        f"{group.guard.words}.{explained(seen, group)} Each value compiles the frame again.",
        fix=in_place(at.name),
        **{**recompile_values(seen, group), "cause": f"function:{function}"},
    )


def _captured_shape(seen: AnalysisContext, group: Recompiled) -> Finding:
    function = carrier(group.guard.source) or ""
    values = [group.guard.was or "?", *(guard.now or "?" for guard in group.guards)]
    what = f"dimension {group.guard.dimension}" if group.guard.kind == "size" else "the number of dimensions"
    return CHECK.finding(
        f"Recompiled for the shape of a captured tensor: {function}",
        f"`{function}` captures a tensor of another shape than before ({what}: {', '.join(values[:5])}"
        f"{', …' if len(values) > 5 else ''}), and each shape compiles {group.function} again.",
        fix="Capture one tensor of the full size, created once, and index it with a position that is a tensor too. Then a "
        "value changes from step to step, updated in place (position.fill_(…)), and not a shape.",
        **{**recompile_values(seen, group), "cause": f"captured-shape:{function}"},
    )


CHECK = Check(
    code="CD204",
    name="new-closure-recompile",
    severity="warning",
    category="recompiles",
    summary="A mask_mod, score_mod or other callable argument is a new function, or carries a new value, on each call.",
    explanation="""\
Dynamo inlines a function that is passed in, together with what it carries: closure cells, default values, the keywords
of a functools.partial. A Python value among these is a constant of the graph, so a new `mask_mod` for each step
(`lambda b, h, q, k: q + step >= k`) compiles again for each step. A captured *tensor* is an input of the graph: its
value may change, its shape may not. A table of biases for the length so far has another shape at each step: create it
once, for the longest length. With dynamic=True numbers and shapes may vary, if the backend supports that inside
flex_attention: on a CPU, Inductor of torch 2.13 supports neither a captured float nor a growing table.
""",
    detect=detect,
    fires="""\
import torch


class Biased(torch.nn.Module):
    def forward(self, scores, score_mod):
        return score_mod(scores).softmax(-1)


def build_model():
    return Biased()


def make_score_mod(slope):
    def score_mod(scores):
        return scores * slope

    return score_mod


def example_input_sets():
    scores = torch.randn(2, 4, 4)
    return [(scores, make_score_mod(slope)) for slope in (0.5, 0.25, 0.125)]
""",
    silent="""\
import torch

SLOPE = torch.ones(())


class Biased(torch.nn.Module):
    def forward(self, scores, score_mod):
        return score_mod(scores).softmax(-1)


def build_model():
    return Biased()


def score_mod(scores):
    return scores * SLOPE


def example_input_sets():
    scores = torch.randn(2, 4, 4)
    return [(scores, score_mod)] * 3
""",
)
