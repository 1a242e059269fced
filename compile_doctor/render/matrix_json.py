"""The cells of `matrix` as JSON, schema compile-doctor/matrix/1: for machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta

from compile_doctor.clean import cleaned
from compile_doctor.matrix import result
from compile_doctor.render import document
from compile_doctor.render.document import ENVIRONMENT, Count, Figure, Record, Texts, one_of
from compile_doctor.render.finding_document import Finding
from compile_doctor.render.json_format import finding_of


class Cell(Record):
    """One `diagnose`: one environment, and one value of each axis."""

    torch: str
    """The version of torch that ran, or that was asked for if nothing ran."""
    values: Mapping[str, str]
    """The value of each axis, by the axis's name."""
    verdict: Annotated[str, one_of(*result.VERDICTS)]
    """`uncompiled`: with `compile=off` it ran without torch.compile, as asked; `not-run`: there is no report."""
    reason: str
    """Why it is neither healthy nor unhealthy; else empty."""
    peak_bytes: Count | None
    """Peak memory of one call in bytes, with its output; null if it was not measured: it is if there is attention."""
    call_seconds: Figure
    """Wall-clock seconds of the quickest call after the first; null if there is none."""
    compile_seconds: Figure
    """Seconds that compiling took; null if nothing ran."""
    findings: Count
    """Number of findings of the report."""
    cause: Finding | None
    """The first finding of the report; null if there is none."""
    environment: Annotated[Mapping[str, Any], Meta(extra_json_schema=ENVIRONMENT)]
    """What it ran on, as far as it is known; empty if it did not run."""
    command: str
    """The command that ran."""
    capture: str | None
    """The folder with its evidence, for `compile-doctor report`; null if there is none."""
    output: str | None
    """The file with what it printed; null if it was not started."""
    node: str | None
    """The machine of the Ray cluster on which it ran; null for this one."""
    resumed: bool
    """Whether it is from an earlier run."""


class Matrix(Record):
    """What `matrix` writes with `--format json`."""

    schema: Literal["compile-doctor/matrix/1"]
    """The name of this schema, with its version."""
    subject: str
    """The target as it was written."""
    axes: Texts
    """The names of the axes, without torch."""
    exit_code: Count
    """That of the command."""
    cells: tuple[Cell, ...]
    """Environment by environment, the last axis changing fastest."""
    notes: Texts
    """What limits the meaning of a figure, and which figure could not be written."""


@cleaned
def render(matrix: result.Matrix, verbosity: int = 0, colour: bool = False) -> str:
    found = Matrix(
        schema="compile-doctor/matrix/1",
        subject=matrix.subject,
        axes=matrix.axes,
        exit_code=matrix.exit_code,
        cells=tuple(_cell(cell) for cell in matrix.cells),
        notes=matrix.notes,
    )
    return document.as_text(document.as_dict(found))


def _cell(cell: result.Cell) -> Cell:
    report = cell.report
    return Cell(
        torch=cell.torch,
        values=dict(cell.values),
        verdict=cell.verdict,
        reason=cell.reason,
        peak_bytes=cell.peak_bytes,
        call_seconds=cell.seconds,
        compile_seconds=report.summary["compile_seconds"] if report else None,
        findings=len(report.findings) if report else 0,
        cause=finding_of(cell.cause, cell.report.sources if cell.report else None) if cell.cause else None,
        environment=dict(report.environment) if report else {},
        command=cell.command,
        capture=cell.capture or None,
        output=cell.output or None,
        node=cell.node or None,
        resumed=cell.resumed,
    )
