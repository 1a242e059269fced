"""CD601: the compiled output differs from eager's by more than precision explains."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compile_doctor.analysis.attention.block_masks import misfits
from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.numerics.statuses import decoded_eagerly, described
from compile_doctor.checks import needs
from compile_doctor.checks.base import Check
from compile_doctor.checks.raised_values import hook, values_of
from compile_doctor.model.comparisons import Compared, Comparison
from compile_doctor.model.findings import Finding
from compile_doctor.model.tolerances import TOLERATED, judge, status, worst

_CPU_FLEX = (
    "Inductor's CPU code for flex_attention reads a key or value that lies inside a larger tensor (chunk, split, a slice of "
    "a fused projection) from that tensor's start: try k, v = k.contiguous(), v.contiguous(). If it still differs, compile "
    "one part of the model after another until you find the part that differs, and report it to PyTorch."
)
_HALVE = (
    "Do not use the compiled model yet. Compile one part of it after another (--as-is, with torch.compile around a "
    "submodule) until you find the part that differs, and report it to PyTorch."
)
_NESTED = (
    "nn.TransformerEncoder makes nested tensors of padded sequences in eager mode, but not under torch.compile, and fills the padding "
    "with zeros: build it with enable_nested_tensor=False, which computes the same in both, or leave the rows of padding out of the "
    f"comparison. If it still differs: {_HALVE}"
)
_SECOND_LOOK = (
    "eager gives the same result again, and nearly the same with parameters and inputs moved by one step of their dtype: no discrete "
    "choice of the model explains the difference",
)
_ENCODER = re.compile(r"\bTransformerEncoder\(")
_OWN_OPERATOR = re.compile(r"\b(?:custom_op|triton_op|define|impl)\(\s*[\"']([\w]+::[\w]+)")
_WHAT = {"compiled-vs-eager": "results", "state-after": "state"}
_CAUSES = {
    ("compiled-vs-eager", "forward"): "numerics",
    ("compiled-vs-eager", "backward"): "numerics:gradients",
    ("state-after", "forward"): "numerics:state",
}


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    """With --numerics the exact comparison; else a tolerance of a tenth of the largest value."""
    exact = [one for one in seen.evidence.comparisons if not decoded_eagerly(one)]
    yield from _exactly(seen, exact) if exact else _quickly(seen)


def _exactly(seen: AnalysisContext, comparisons: list[Comparison]) -> Iterator[Finding]:
    """One finding about the first difference: gradients and decoded steps depend on what the forward run computes."""
    failed = [(one, row) for one in comparisons if (row := worst(one)) and judge(one) == "FAIL"]
    raised = [one for one in comparisons if not one.rows and judge(one) == "FAIL"]
    if raised:
        yield CHECK.finding(
            f"{hook(raised[0])} raises with the compiled model only",
            cause="numerics:raises",
            fix=_HALVE,
            **values_of(seen, raised),
        )
    if not failed:
        return
    comparison, row = failed[0]
    if comparison.direction == "backward":
        row = max(_failing(comparison), key=lambda one: (one.error is None, one.relative or 0.0))
    what = "gradients" if comparison.direction == "backward" else _WHAT.get(comparison.case, "decoded output")
    at = seen.evidence.facts.compared_at
    yield CHECK.finding(
        f"Compiled and eager give different {what}",
        f"`{row.name}`: {described(row, comparison.depth)}" + (f" (at {at:,} tokens)." if at else "."),
        cause=_CAUSES.get((comparison.case, comparison.direction), "numerics:decoding"),
        fix=_fix(seen),
        evidence=tuple(line for one, _ in failed for line in _lines(one)),
    )


def _lines(comparison: Comparison) -> Iterator[str]:
    bad = _failing(comparison)
    more = "+" if len(bad) == len(comparison.rows) < comparison.compared else ""
    yield f"{comparison.case}, {comparison.direction}: {len(bad)}{more} of {comparison.compared} tensors differ"
    first = {row.name.partition(" of call ")[0]: row for row in reversed(bad)}  # of several calls, the worst
    for row in list(reversed(first.values()))[:3]:
        yield f"{row.name}: {described(row, comparison.depth)}"
    if comparison.direction == "backward":
        most = max(bad, key=lambda row: row.relative or 0.0)
        if most.relative is not None:
            yield f"largest relative difference from eager: {most.relative:.2g}, {most.name}"


def _failing(comparison: Comparison) -> list[Compared]:
    return [row for row in comparison.rows if status(row, comparison.depth) == "FAIL"]


def _quickly(seen: AnalysisContext) -> Iterator[Finding]:
    difference, facts = seen.evidence.max_difference, seen.evidence.facts
    largest, unlike = facts.largest_output, facts.unlike
    if facts.random or facts.doubt or any(misfits(seen.evidence)):
        return  # CD310 has the difference: it is the cause
    if unlike:
        text, measured = f"The outputs of the first call differ: {unlike}", unlike
    elif difference is None or not largest or difference <= TOLERATED * largest:
        return
    else:
        text = (
            f"The outputs of the first call differ by up to {difference:.2g}; the largest eager value is {largest:.2g}"
        )
        measured = f"largest absolute difference {difference:.3g}, tolerated here {TOLERATED * largest:.3g}"
    at = facts.compared_at
    yield CHECK.finding(
        "Compiled and eager give different results",
        text + (f" (at {at:,} tokens)." if at else "."),
        cause="numerics",
        fix=_fix(seen),
        evidence=(
            measured,
            "the eager control run started from a newly built model and the same seeds, and drew no random numbers",
            *_SECOND_LOOK[: facts.looked_twice],
        ),
    )


def _fix(seen: AnalysisContext) -> str:
    if _cpu_flex(seen):
        return _CPU_FLEX
    if _encoder_on_fast_path(seen):
        return _NESTED
    own = dict.fromkeys(found[1] for text in seen.own_sources.values() for found in _OWN_OPERATOR.finditer(text))
    if not own:
        return _HALVE
    return (
        f"First test your own operators ({', '.join(own)}): torch.library.opcheck(operator, arguments) reports a fake "
        "implementation that gives another shape or dtype, and an argument that is changed without being in mutates_args: both "
        f"give wrong results without an error. If it passes: {_HALVE}"
    )


def _encoder_on_fast_path(seen: AnalysisContext) -> bool:
    """Whether the layers of a TransformerEncoder took their fast path in a graph: eager makes nested tensors only then."""
    written = (one for found in seen.evidence.compilations if found.graph for one in found.graph.written)
    made = any(_ENCODER.search(text) for text in seen.own_sources.values())
    return made and any(one.how == "fast-path" for one in written)


def _cpu_flex(seen: AnalysisContext) -> bool:
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
    category="numerics",
    needs=(needs.comparison(decoding=False),),
    summary="The compiled output, gradient or state differs from eager's by more than the dtype explains.",
    explanation="""\
compile-doctor runs the target in eager mode too. Without `--numerics` it compares the tensors of the first call.
Rounding explains a small difference. In no precision does it explain a tenth of the largest value, another shape or
dtype, or NaN. Models that draw random numbers (dropout while training) are not compared then, because compiled code
draws other numbers.

With `--numerics`, and in `parity`, every output of every call is compared, with `--grad` every parameter's gradient,
and the buffers, parameters and inputs that the runs changed (batch norm's statistics). All runs start from the same
tensors, inputs and seed, and compiled code draws eager's random numbers (Inductor's fallback_random). Both are compared
with a float64 run of the same model: a result is wrong only if it is clearly further from that than eager is. If the
model cannot run in float64, or draws random numbers, the tolerance is that of the dtype and the depth of the model.
Before a difference is reported as wrong, eager runs once more with parameters and inputs moved by one step of their
dtype. What that explains is drift. Beyond that, the compiled code computes something else.
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
