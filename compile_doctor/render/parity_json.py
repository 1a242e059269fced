"""Parity as JSON, schema compile-doctor/parity/1: for machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from compile_doctor.clean import cleaned
from compile_doctor.parity import result
from compile_doctor.render.document import ENVIRONMENT, Figure, Record, Texts, as_dict, as_text, one_of
from compile_doctor.render.finding_document import Finding
from compile_doctor.render.json_format import finding_of


class Cell(Record):
    """One comparison with the reference."""

    case: str
    """`causal-decode`, `sliding-window`, …; for a model `compiled-vs-eager`, `chunk-4`, …"""
    heads: Annotated[str, one_of("mha", "gqa", "mqa", "")]
    """Heads of queries and keys; empty for a model."""
    dtype: str
    """`float32`, `bfloat16`, …; empty for a model if nothing was compared."""
    direction: Annotated[str, one_of("forward", "backward")]
    """Outputs, or gradients."""
    implementation: str
    """`flex-compiled`, `sdpa-flash`, …; for a model the backend, such as `inductor`."""
    status: Annotated[str, one_of(*result.STATUSES)]
    """`DRIFT` is beyond the tolerance, but explained by the dtype; `UNSUPPORTED`: the implementation refused it."""
    max_error: Figure
    """The largest absolute difference from the reference; null if nothing was computed."""
    tolerance: Figure
    """The largest error that is a PASS, absolute; null if nothing was computed."""
    reason: str | None
    """Why it is not a PASS, in a few words; null if there is nothing to say."""
    known: str | UnsetType = UNSET
    """The recipe for the defect of torch that explains it; the key is missing if there is none."""


class Parity(Record):
    """What `parity` writes with `--format json`."""

    schema: Literal["compile-doctor/parity/1"]
    """The name of this schema, with its version."""
    subject: str
    """`suite`, or the target as it was written."""
    environment: Annotated[Mapping[str, Any], Meta(extra_json_schema=ENVIRONMENT)]
    """What it ran on, as far as it is known."""
    cells: tuple[Cell, ...]
    """One entry for each comparison, in the order of the table."""
    findings: tuple[Finding, ...]
    """What a model's diagnosis found about numerics, as in a report; empty for attention."""
    notes: Texts
    """What could not be compared, which recipes were active, and which figure could not be written."""


@cleaned
def render(parity: result.Parity, verbosity: int = 0, colour: bool = False) -> str:
    document = Parity(
        schema="compile-doctor/parity/1",
        subject=parity.subject,
        environment=dict(parity.environment),
        cells=tuple(_cell(cell) for cell in parity.cells),
        findings=tuple(finding_of(finding) for finding in parity.findings),
        notes=parity.notes,
    )
    return as_text(as_dict(document))


def _cell(cell: result.Cell) -> Cell:
    return Cell(
        case=cell.case,
        heads=cell.heads,
        dtype=cell.dtype,
        direction=cell.direction,
        implementation=cell.implementation,
        status=cell.status,
        max_error=cell.max_error,
        tolerance=cell.tolerance,
        reason=cell.reason,
        known=cell.known or UNSET,
    )
