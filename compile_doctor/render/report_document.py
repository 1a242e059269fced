"""The document `report`, key by key; its sections are in modules of their own. A docstring here is the key's description in the published schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta

from compile_doctor.parity import result
from compile_doctor.render.attention_document import Attention, CudaGraph, Memory
from compile_doctor.render.compile_time_document import CompileTime, Guards
from compile_doctor.render.document import ENVIRONMENT, Figure, Record, Size, Texts, one_of
from compile_doctor.render.finding_document import Finding
from compile_doctor.render.ranks_document import Ranks, Summary
from compile_doctor.render.trial_document import Recipe, Trial, Verdict
from compile_doctor.report.recorded import PARTS


class SkippedCheck(Record):
    """What could not be checked: never a pass."""

    code: str
    """The check's code, or the name of a plug-in's entry point that is not a valid one."""
    reason: str
    """Why it could not be checked."""


class Numeric(Record):
    """One comparison of `--numerics`."""

    case: str
    """`compiled-vs-eager`, `state-after`, `full`, `chunk-4`, …"""
    direction: Annotated[str, one_of("forward", "backward")]
    """Outputs, or gradients."""
    implementation: str
    """The backend (`eager-backend` for that name), or `eager` for decoding without torch.compile."""
    dtype: str
    """The dtype that explains the rounding; empty if nothing was compared."""
    status: Annotated[str, one_of(*result.STATUSES)]
    """The result."""
    max_error: Figure
    """The largest absolute difference from the reference; null if nothing was computed."""
    tolerance: Figure
    """The largest error that is a PASS, absolute; null if nothing was computed."""
    reason: str | None
    """Why it is not a PASS; null if it is."""
    notes: Texts
    """How it was compared, if not in the usual way."""


class Report(Record):
    """What `diagnose`, `run` and `report` write with `--format json`."""

    schema: Literal["compile-doctor/report/1"]
    """The name of this schema, with its version."""
    target: str
    """What was diagnosed, as it was written."""
    verdict: Verdict
    """`inconclusive` is not a pass."""
    reason: str
    """Why the verdict is not `healthy`, in one sentence; may be empty."""
    environment: Annotated[Mapping[str, Any], Meta(extra_json_schema=ENVIRONMENT)]
    """What it ran on, as far as it is known."""
    convention: str
    """How the target was found; empty for a command and for a bare trace."""
    summary: Summary
    """Counts."""
    ranks: Ranks | None
    """The ranks of a distributed run; null if it had none."""
    findings: tuple[Finding, ...]
    """The findings, most important first."""
    attention: tuple[Attention, ...]
    """One entry for each line that called attention."""
    memory: Memory | None
    """The memory of one compiled call over time; null if it was not measured, as without attention."""
    cuda_graphs: tuple[CudaGraph, ...]
    """One entry for each compiled graph of a run that asked for CUDA graphs on a device that has them."""
    guards: tuple[Guards, ...]
    """The guards of each compilation, the most expensive first; empty if they were not timed."""
    compile_time: CompileTime | None
    """Where the compile time went; null if torch's timed events are not in the capture."""
    not_recorded: Mapping[Annotated[str, one_of(*PARTS)], str]
    """Parts of the report without evidence, such as `timeline`, each with the reason: that a part is empty says nothing then."""
    skipped_checks: tuple[SkippedCheck, ...]
    """What could not be checked, and why."""
    unknown_events: Mapping[str, Size]
    """Number of records of each kind that this version cannot read."""
    disagreements: Texts
    """Counts on which torch's trace and torch's own counters disagree."""
    missing: Texts
    """Missing evidence, one sentence each: a report with any is never `healthy`."""
    notes: Texts
    """Further notes: what was left out, and which figure could not be written."""
    patches: tuple[Recipe, ...]
    """The requested recipes, in their state at the end."""
    trial: Trial | None
    """What `--try-recipes` changed; null without it."""
    timings: Mapping[Annotated[str, Meta(pattern="_seconds$")], Figure]
    """Wall-clock seconds of each phase that finished, such as `compiled_seconds`."""
    max_difference: Figure
    """The largest absolute difference between compiled and eager output; null if they were not compared."""
    numerics: tuple[Numeric, ...]
    """What `--numerics` compared; empty without it."""
    not_compared: str | None
    """Why compiled and eager output could not be compared; null if they were, or if one of them did not run."""
