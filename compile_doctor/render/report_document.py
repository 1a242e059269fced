"""The document `report`, key by key. A docstring here is the key's description in the published schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta

from compile_doctor.model.findings import SEVERITIES
from compile_doctor.model.timeline import PHASES
from compile_doctor.parity import result
from compile_doctor.render.document import ENVIRONMENT, Count, Figure, Record, Size, Texts, one_of
from compile_doctor.report.recorded import PARTS

Code = Annotated[str, Meta(pattern="^[A-Z]{2,6}[0-9]{3}$")]
Owner = Annotated[str, one_of("mine", "dependency", "torch")]
Verdict = Annotated[str, one_of("healthy", "unhealthy", "inconclusive")]
_CALL = ("fused", "dense", "mixed", "unverified")
CallVerdict = Annotated[str, one_of(*_CALL)]
StepVerdict = Annotated[str, one_of(*_CALL, "dense (from growth)", "mixed (from growth)", "not run")]
RecipeState = Annotated[
    str, one_of("applicable", "active", "not-affected", "refused", "disabled", "failed", "too-late")
]
Piece = Annotated[str, one_of("lowered", "executed", "bounded")]


class Location(Record):
    """A location in source code."""

    file: str
    """Relative to the working directory, if it is inside."""
    line: Size
    """Counted from 1."""
    function: str
    """Qualified, such as `Model.forward`."""
    snippet: str
    """The line's text without its indentation; empty if it is not known."""


class Span(Record):
    """The statement at a location."""

    first_line: Size
    """The line in which it begins, from 1."""
    first_column: Size
    """The column in which it begins, in bytes of UTF-8 from 1."""
    last_line: Size
    """The line in which it ends."""
    end_column: Size
    """The column after its last byte."""


class Upstream(Record):
    """torch's own page about a cause."""

    id: Annotated[str, Meta(pattern="^GB[0-9]+$")]
    """torch's id of the graph break."""
    url: str
    """Its page on PyTorch's graph-break site."""


class Cost(Record):
    """What a finding costs, as far as the trace shows."""

    graphs: Count
    """Graphs that would not exist without it."""
    seconds: Figure
    """Seconds of compile time of those graphs, wall clock."""


class Finding(Record):
    """One cause at one location."""

    code: Code
    """The check's code; `compile-doctor explain CODE` explains it."""
    name: str
    """The check's name, such as `graph-break`."""
    severity: Annotated[str, one_of(*SEVERITIES)]
    """How bad it is."""
    title: str
    """What it is, in a few words."""
    message: str
    """What happened, in sentences."""
    location: Location | None
    """Where it is; null if the finding is about the whole run."""
    via: Location | None
    """The user's own line that leads there, if the location is in a package; else null."""
    owner: Owner
    """Whose code is at the location."""
    count: Size
    """Occurrences that were folded into this finding."""
    cause: str
    """The normalised cause, which does not depend on values, lines and torch versions."""
    upstream: Upstream | None
    """torch's id of the cause; null if it has none."""
    fix: str
    """What to change; empty if nothing is known."""
    recipe: str | None
    """The recipe that would help; null if there is none."""
    rewrites: Texts
    """The rewrites of `fix` for this cause, the first to try first: `compile-doctor fix TARGET --only NAME`."""
    span: Span | None
    """The statement at the location; null if its source is not known."""
    cost: Cost
    """What it costs."""
    evidence: Texts
    """The evidence, line by line."""
    ranks: str
    """The ranks on which it was seen, such as `0-3, 7`; empty for a run without ranks."""


class Summary(Record):
    """Counts, without torch's own frames. For a run with ranks, each is that of the rank with the most."""

    graphs: Count
    """FX graphs that were compiled."""
    graph_breaks: Count
    """Distinct locations and causes of graph breaks."""
    deliberate_breaks: Count
    """Graph breaks that the code requests."""
    recompiles: Count
    """Compilations of a frame that had been compiled before."""
    frames_compiled: Count
    """Frames that were compiled to code with guards."""
    frames_skipped: Count
    """Frames that Dynamo gave up, and that ran as Python."""
    ops_captured: Count
    """Operators in all graphs."""
    compile_seconds: Figure
    """Seconds of all compilations, wall clock."""


class Pieces(Record):
    """The evidence for a fused kernel. Null: it could not be checked, and `reasons` says why."""

    lowered: bool | None
    """The generated code has a fused kernel for this call."""
    executed: bool | None
    """That kernel ran, and nothing dense did."""
    bounded: bool | None
    """Memory did not grow as the score matrix would."""


class Step(Record):
    """One size of `--tokens`."""

    tokens: Count
    """Tokens at this size."""
    ran: bool
    """Whether this size was run."""
    verdict: StepVerdict
    """The verdict on the call at this size; "from growth": derived from the smaller sizes."""
    peak_bytes: Count | None
    """Bytes, measured; null if they were not."""
    dense_bytes: Count | None
    """Bytes that the dense path needs, measured or predicted; null if that is not known."""
    fused_bytes: Count | None
    """Bytes that a fused kernel would need; null if that is not known."""
    reason: str
    """Why it was not run; empty if it was."""


class Attention(Record):
    """One line that calls attention."""

    location: Location
    """The line of the call."""
    owner: Owner
    """Whose code it is."""
    api: Annotated[str, one_of("flex_attention", "sdpa")]
    """What is called."""
    verdict: CallVerdict
    """How it ran; `unverified` is not a pass."""
    kernel: str | None
    """The generated kernel; null if there is none."""
    backend: str | None
    """For `sdpa` the backend that ran, for `flex_attention` that of its graph; null if it is not known."""
    implementation: str | None
    """Which of torch's implementations computed it (`triton`, `flash-2`, `math`, …); null if that is not known."""
    tokens: Count | None
    """Keys at the largest size that ran; null if the shapes are not known."""
    q_shape: tuple[Count, ...] | None
    """The query's shape; null if it is not known."""
    kv_shape: tuple[Count, ...] | None
    """The key's shape; null if it is not known."""
    dtype: str | None
    """The query's dtype, such as `bfloat16`; null if it is not known."""
    device: str | None
    """The query's device; null if it is not known."""
    peak_bytes: Count | None
    """The peak of allocated bytes while it ran; null if that was not measured."""
    dense_bytes: Count | None
    """Bytes of the score matrix alone; null if the shapes are not known."""
    evidence: Pieces
    """The three pieces of evidence behind the verdict."""
    reason: str
    """Why it is not `fused`; empty if it is."""
    reasons: Mapping[Piece, str]
    """For each piece of evidence that is not true, why."""
    ladder: tuple[Step, ...]
    """The sizes of `--tokens`, smallest first."""


class CudaGraphReason(Record):
    """Why something is not captured."""

    text: str
    """torch's words."""
    count: Size
    """Operators with this reason."""
    location: Location | None
    """The line that torch names; null if it names none."""


class CudaGraph(Record):
    """One compiled graph of a run that asked for CUDA graphs."""

    compile_id: str
    """torch's id of the compilation, such as `0/0`."""
    location: Location
    """The function that was compiled."""
    state: Annotated[str, one_of("captured", "partly", "skipped", "not-recorded")]
    """What became of it; `not-recorded`: it ran too seldom."""
    functions: Count
    """Parts that were wrapped, forward and backward."""
    recordings: Count
    """The most recordings of one part."""
    replays: Count
    """Replays of all parts."""
    reasons: tuple[CudaGraphReason, ...]
    """Why it is not captured whole."""


Phases = Annotated[
    Mapping[Annotated[str, one_of(*PHASES)], Figure],
    Meta(extra_json_schema={"additionalProperties": {"type": ["number", "null"]}}),
]
"""Seconds by phase; a phase without time is left out."""


class CacheAnswer(Record):
    """What one of torch's caches on disk answered for one graph."""

    cache: Annotated[str, one_of("fx_graph", "aotautograd")]
    """Inductor's cache of graphs, or AOTAutograd's, which is asked first."""
    answer: Annotated[str, one_of("hit", "miss", "bypass")]
    """`bypass`: torch neither looked the graph up nor stored it."""
    reason: str
    """torch's reason for a bypass; else empty."""
    key: str
    """torch's key; empty if it wrote none."""
    saved_seconds: Figure
    """What torch says that a hit saved; else null."""


class TimedCompilation(Record):
    """Where the time of one compilation went."""

    compile_id: str
    """torch's id, such as `0/1`: frame 0, compiled for the second time."""
    rank: Count | None
    """The rank; null for a run without ranks. Ranks that did the same are here once."""
    location: Location
    """The function that was compiled, or the line at which it resumes."""
    start_seconds: Figure
    """When it began, counted from the first moment that is known of the run."""
    seconds: Figure
    """How long it took, with the backward pass."""
    phases: Phases
    """Seconds by phase; each moment counts for the innermost phase."""
    recompilation: Count
    """How often the frame had been compiled before."""
    reason: str
    """The guard that failed, for a recompilation; else empty."""
    restarts: Count
    """How often Dynamo began again with tracing it."""
    finished: bool
    """Whether code came out of it."""
    caches: tuple[CacheAnswer, ...]
    """What the caches answered, in the order in which they were asked."""


class SlowGuard(Record):
    """One guard, timed by itself."""

    source: str
    """The value in Dynamo's words."""
    guard: str
    """As torch writes it."""
    microseconds: Figure
    """To evaluate them once."""


class Guards(Record):
    """What it costs to check that compiled code still fits, at each call of a function."""

    compile_id: str
    """torch's id of the compilation."""
    location: Location
    """The function that was compiled, or the line at which it resumes."""
    microseconds: Figure
    """To evaluate all guards once, just after they were evaluated: the least that they cost."""
    flushed_microseconds: Figure
    """torch's own figure, with the processor's caches flushed; null if torch did not write it."""
    guards: Count
    """How many there are."""
    python: Count
    """Those that call Python; the others are C++."""
    slowest: tuple[SlowGuard, ...]
    """The slowest ones."""


class CompileTime(Record):
    """Where the compile time went, from torch's timed events."""

    seconds: Figure
    """Of all compilations; of a run with ranks, of the rank that compiled longest."""
    phases: Phases
    """The same, by phase."""
    compilations: tuple[TimedCompilation, ...]
    """Each compilation, in the order of the run."""


class SkippedCheck(Record):
    """What could not be checked: never a pass."""

    code: str
    """The check's code, or the name of a plug-in's entry point that is not a valid one."""
    reason: str
    """Why it could not be checked."""


class Recipe(Record):
    """A recipe in the process of the target."""

    id: str
    """The recipe's name."""
    state: RecipeState
    """What happened to it."""
    reason: str | None
    """Why, if it is not active; else null."""


class Verdicts(Record):
    """The verdict without and with the recipes."""

    before: Verdict
    """Without them."""
    after: Verdict
    """With them."""


class Figures(Record):
    """A figure without and with the recipes."""

    before: Figure
    """Without them; null if there is no figure."""
    after: Figure
    """With them; null if there is no figure."""


class TrialAttention(Record):
    """A call of attention whose verdict the recipes changed. "–": the call was not reached."""

    place: str
    """File and line."""
    before: Annotated[str, one_of(*_CALL, "–")]
    """Its verdict without the recipes."""
    after: Annotated[str, one_of(*_CALL, "–")]
    """Its verdict with them."""


class Trial(Record):
    """What `--try-recipes` changed."""

    recipes: tuple[Recipe, ...]
    """The recipes of the second run."""
    verdict: Verdicts
    """The verdict of the two runs."""
    gone: tuple[Finding, ...]
    """Findings of the first run that the second does not have."""
    new: tuple[Finding, ...]
    """Findings of the second run that the first does not have."""
    attention: tuple[TrialAttention, ...]
    """Calls whose verdict changed."""
    max_difference: Figures
    """The largest absolute difference between compiled and eager output."""
    compile_seconds: Figures
    """Seconds of all compilations, wall clock."""


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


class Spread(Record):
    """A figure over several ranks."""

    least: Figure
    """The smallest."""
    median: Figure
    """The median."""
    most: Figure
    """The largest."""


class RankFigures(Record):
    """Ranks with the same figures."""

    ranks: str
    """Their numbers, such as `0-3, 7`."""
    count: Size
    """How many they are."""
    summary: Summary | None
    """The figures of each of them; null if too many ranks differ to keep the evidence of all."""
    compile_seconds: Spread
    """Seconds of compiling among them, wall clock."""
    slowest: Count
    """The rank that compiled longest."""
    cache_hits: Count
    """What torch's caches of compiled code had."""
    cache_misses: Count
    """What they did not have."""
    end: Annotated[str, one_of("ended", "failed", "stopped", "open", "unknown")]
    """How they ended; `open`: their last record is missing; `unknown`: there is only a trace."""


class Ranks(Record):
    """The ranks of a distributed run."""

    world_size: Size
    """How many there should be."""
    seen: str
    """Those in the capture, such as `0-7`."""
    hosts: Texts
    """The machines."""
    diverge: bool
    """Whether ranks that should do the same did not."""
    rows: tuple[RankFigures, ...]
    """The ranks with their figures."""


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
