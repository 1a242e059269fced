"""The results of `bench` as JSON, schema compile-doctor/bench/1: seconds and bytes, never rounded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from compile_doctor.bench import result
from compile_doctor.bench.run import OF_ATTENTION, OF_MODELS
from compile_doctor.clean import cleaned
from compile_doctor.render import document
from compile_doctor.render.document import ENVIRONMENT, Count, Figure, Record, Size, Texts, one_of
from compile_doctor.render.trial_document import RecipeState

_MACHINE = {
    "cpu": {"type": "string", "description": "The processor by name."},
    "dtype": {"type": "string", "description": "The dtype of the computation, such as `bfloat16`."},
    "load_average": {
        "type": ["number", "null"],
        "minimum": 0,
        "description": "Average of runnable processes in the minute before; null if the system does not count them.",
    },
    "cores": {"type": ["integer", "null"], "minimum": 1, "description": "Processors of the machine."},
}
_ENVIRONMENT = {**ENVIRONMENT, "properties": {**ENVIRONMENT["properties"], **_MACHINE}}


class Inputs(Record, kw_only=True):
    """The requested inputs: shapes for attention, torch.compile's options for a model."""

    convention: str
    """How the target was found; empty for the suite."""
    tokens: tuple[Size, ...]
    """The sizes; empty for a target that has only one."""
    batch: Size | UnsetType = UNSET
    """Batch size. Only for attention."""
    heads: Size | UnsetType = UNSET
    """Heads of the queries. Only for attention."""
    kv_heads: Size | UnsetType | None = UNSET
    """Heads of keys and values; null: as each case defines it. Only for attention."""
    head_dim: Size | UnsetType = UNSET
    """Elements of a head. Only for attention."""
    dtype: str | UnsetType = UNSET
    """The dtype of the computation. Only for attention."""
    backend: str | UnsetType | None = UNSET
    """torch.compile's backend; null: its default. Only for a model."""
    mode: str | UnsetType | None = UNSET
    """torch.compile's mode; null: its default. Only for a model."""
    dynamic: bool | UnsetType | None = UNSET
    """torch.compile's `dynamic`; null: its default. Only for a model."""
    as_is: bool | UnsetType = UNSET
    """Whether the target calls torch.compile itself. Only for a model."""
    grad: bool
    """Whether the backward pass was measured too."""


class Row(Record):
    """One implementation on one case at one size. Figures are null if there is nothing to measure."""

    case: str
    """`causal`, `sliding-window`, …; for a model `forward`, `forward+backward`, `prefill` or `decode`."""
    tokens: Size | None
    """Keys of the attention, or the model's size; null for a target that has only one."""
    implementation: str
    """`eager`, `inductor`; `sdpa-flash`, `flex-compiled`, `target`, …"""
    status: Annotated[str, one_of(*result.STATUSES)]
    """`wrong`: its output differs from that of the others. `not-run`: it would not fit into memory, or cannot run."""
    median_seconds: Figure
    """Wall-clock seconds of one call, the median after warm-up and compilation."""
    p25_seconds: Figure
    """The lower quartile, in seconds."""
    p75_seconds: Figure
    """The upper quartile, in seconds."""
    calls: Count
    """Calls that were timed."""
    noisy: bool
    """Whether the interquartile range is above a tenth of the median."""
    ratio: Figure
    """The median over the best median of the same case and size; null for rows that are too noisy to rank."""
    positions: Count | None
    """Tokens that one call computes."""
    seconds_per_token: Figure
    """Seconds for each position that a call computes."""
    peak_bytes: Count | None
    """Peak memory of one call in bytes, including its output, excluding inputs and weights."""
    compile_seconds: Figure
    """Seconds of the first call less the median; null if nothing was compiled."""
    compile_cached: bool
    """Whether Inductor took the code from its cache."""
    recompiles: Count
    """Compilations while it was timed."""
    difference: Figure
    """The largest absolute difference from the reference."""
    tolerance: Figure
    """The largest difference that is allowed."""
    reason: str | None
    """Why there is no figure, or what limits its meaning."""


class Recipe(Record):
    """A recipe that was applied."""

    id: str
    """The recipe's name."""
    state: RecipeState
    """What happened to it."""
    reason: str | None
    """Why, if it is not active."""


class Bench(Record):
    """What `bench` writes with `--format json`."""

    schema: Literal["compile-doctor/bench/1"]
    """The name of this schema, with its version."""
    subject: str
    """`suite`, or the target as it was written."""
    environment: Annotated[Mapping[str, Any], Meta(extra_json_schema=_ENVIRONMENT)]
    """What it ran on, as far as it is known."""
    inputs: Annotated[
        Inputs,
        Meta(extra_json_schema={"oneOf": [{"required": list(OF_ATTENTION)}, {"required": list(OF_MODELS)}]}),
    ]
    """The requested inputs."""
    rows: tuple[Row, ...]
    """By case and size, the best first."""
    patches: tuple[Recipe, ...]
    """Recipes that were applied, with their state."""
    notes: Texts
    """Further notes: what was interrupted, and which figure could not be written."""


@cleaned
def render(bench: result.Bench, verbosity: int = 0, colour: bool = False) -> str:
    return document.as_text(as_dict(bench))


def as_dict(bench: result.Bench) -> dict[str, Any]:
    found = Bench(
        schema="compile-doctor/bench/1",
        subject=bench.subject,
        environment=dict(bench.environment),
        inputs=Inputs(**bench.inputs),
        rows=tuple(_row(row) for row in bench.rows),
        patches=tuple(Recipe(**one) for one in bench.patches),
        notes=bench.notes,
    )
    return document.as_dict(found)


def _row(row: result.Row) -> Row:
    return Row(
        case=row.case,
        tokens=row.tokens,
        implementation=row.implementation,
        status=row.status,
        median_seconds=row.median,
        p25_seconds=row.p25,
        p75_seconds=row.p75,
        calls=row.calls,
        noisy=row.noisy,
        ratio=row.ratio,
        positions=row.positions,
        seconds_per_token=row.per_token,
        peak_bytes=row.peak_bytes,
        compile_seconds=row.compile_seconds,
        compile_cached=row.compile_cached,
        recompiles=row.recompiles,
        difference=row.difference,
        tolerance=row.tolerance,
        reason=row.reason,
    )
