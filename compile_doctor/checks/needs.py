"""The evidence that checks require, and why it is missing: `Check.needs`, the reasons of "not checked" in a report."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.numerics.statuses import EAGER, judged
from compile_doctor.checks.base import Need
from compile_doctor.model.evidence import Evidence


def watched(evidence: Evidence) -> Iterator[str]:
    """A probe in the process that called attention."""
    if not evidence.attention.watched and evidence.has_attention:
        yield "no probe watched this run: a trace shows what was compiled, not what was executed"


def memory(evidence: Evidence) -> Iterator[str]:
    """The memory that attention took."""
    if not evidence.attention.watched and evidence.has_attention:
        yield "memory was not measured: `diagnose` and `run --memory` measure it"


def generated_code(evidence: Evidence) -> Iterator[str]:
    """The code that Inductor generated for scores that are written out."""
    if any(one.graph and one.graph.written and one.kernels is None for one in evidence.compilations):
        yield "without Inductor's code it is unknown whether a fused kernel replaces scores that are written out"


def profiler(evidence: Evidence) -> Iterator[str]:
    """A second run under torch's profiler."""
    if evidence.asked.command and evidence.has_attention:
        yield "a command is not run again under the profiler: only `diagnose` does that"


def eager_run(evidence: Evidence) -> Iterator[str]:
    """A control run in eager mode."""
    if evidence.asked.command:
        yield "a command is not run a second time in eager mode"


def limit_log(evidence: Evidence) -> Iterator[str]:
    """What torch logs when the recompile limit is hit."""
    if not evidence.logs and not evidence.children:
        yield "a trace alone does not show whether the recompile limit was hit"


def comparison(decoding: bool) -> Need:
    """Comparisons of `--numerics`: of decoding with the full run if `decoding`, else of compiled code with eager mode."""

    def missing(evidence: Evidence) -> Iterator[str]:
        for one in judged(evidence.comparisons):
            if (
                one.max_error is None
                and one.status in ("N/A", "UNSUPPORTED")
                and (one.implementation == EAGER) == decoding
            ):
                yield f"{one.case}, {one.direction}: {one.reason}"

    return missing
