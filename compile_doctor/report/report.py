"""The report: the input of a renderer, completely computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from compile_doctor.analysis.attention.entries import AttentionEntry
from compile_doctor.analysis.cuda_graph_entries import CudaGraphEntry
from compile_doctor.analysis.frame_map import FrameMap
from compile_doctor.analysis.generated import Generated
from compile_doctor.analysis.numerics.statuses import Judged
from compile_doctor.model.evidence import Patch
from compile_doctor.model.findings import Finding
from compile_doctor.model.guards import TimedGuards
from compile_doctor.model.timeline import Timeline
from compile_doctor.report.by_rank import RankTable
from compile_doctor.report.trial import Trial


@dataclass(frozen=True)
class Report:
    """The input of a renderer, completely computed."""

    target: str
    verdict: str
    """`healthy`, `unhealthy` or `inconclusive`."""
    reason: str
    """Why the verdict is not `healthy`, in one sentence; empty if it is."""
    environment: Mapping[str, Any]
    convention: str
    settings: Mapping[str, Any]
    summary: Mapping[str, Any]
    findings: tuple[Finding, ...]
    skipped_checks: tuple[tuple[str, str], ...]
    unknown_events: Mapping[str, int]
    disagreements: tuple[str, ...]
    notes: tuple[str, ...]
    timings: Mapping[str, float]
    warm_call: float | None
    """Wall-clock seconds of the quickest call after the first; None if it was called once, or by a command."""
    peak_bytes: int | None
    """Peak memory of one call of the whole target; None if it was not measured: it is if there is attention."""
    attention: tuple[AttentionEntry, ...]
    """One entry per line that called attention."""
    memory: tuple[tuple[int, int], ...]
    """Microseconds since a call began, and bytes from then on; empty if it was not measured: it is if there is attention."""
    cuda_graphs: tuple[CudaGraphEntry, ...]
    """What became of each compiled graph under CUDA graphs; empty if nobody asked for them."""
    require_fused: bool
    require_cudagraphs: bool
    unproven: str
    """Why this is not a pass although nothing bad was found: a check raised an error, or --require-fused is not met."""
    lost: tuple[str, ...]
    """Missing evidence, one sentence each: such a report is never HEALTHY, and never compared with a baseline."""
    missing: tuple[str, ...]
    """What is shown as missing: `lost`; also what else HEALTHY requires, if only that keeps the verdict from it."""
    damaged: bool
    """The capture was changed after it was sealed."""
    compared_at: int | None
    """The number of tokens at which the eager control ran, if it is not the largest."""
    max_difference: float | None
    numerics: tuple[Judged, ...]
    """What `--numerics` compared."""
    not_compared: str | None
    """Why compiled and eager output could not be compared, if both ran."""
    bytecode: Mapping[str, Any]
    sources: Mapping[str, str]
    cwd: str
    temporary: bool = False
    """Whether the evidence is deleted after this report."""
    recallable: bool = False
    """Whether `compile-doctor explain N` shows the findings of this report."""
    command_exit: int | None = None
    """Exit status of the command under `run`; None for `diagnose`."""
    patches: tuple[Patch, ...] = ()
    """The requested recipes, with their state."""
    ranks: RankTable | None = None
    """Figures by rank; None for a run without ranks. Each figure of `summary` is then that of the rank with the most."""
    guards: tuple[TimedGuards, ...] = ()
    """What the guards of each compilation cost, the most expensive first."""
    timelines: tuple[Timeline, ...] = ()
    """When what was compiled: of each group of ranks that did the same; empty if torch's timed events are missing."""
    not_recorded: Mapping[str, str] = field(default_factory=dict)
    """For each part of the report without evidence, such as `timeline`, why it is empty and what to do."""
    trial: Trial | None = None
    """What the recipes that the findings name change, if they were tried."""
    frames: tuple[FrameMap, ...] = ()
    """Which graphs each function became, and where it was cut; one map for each group of ranks that did the same."""
    generated: tuple[Generated, ...] = ()
    """The graphs as text, with the code that Inductor generated for them, as far as they were kept."""
