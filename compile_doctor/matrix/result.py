"""The result of `matrix`: one cell for each environment and combination of values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from compile_doctor.model.findings import Finding
from compile_doctor.report.report import Report

VERDICTS = ("unhealthy", "inconclusive", "not-run", "uncompiled", "healthy")
"""Worst first. `uncompiled`: with compile=off it ran, and nothing was compiled, as asked. `not-run`: there is no report."""


@dataclass(frozen=True)
class Cell:
    """One `diagnose` in one environment."""

    torch: str
    """The version of torch that ran, or that was asked for if nothing ran."""
    values: Mapping[str, str]
    """The value of each axis, by the axis's name."""
    command: str
    """What ran, as a command line of `diagnose`."""
    verdict: str
    """One of VERDICTS."""
    reason: str
    """Why it is neither healthy nor unhealthy, in one sentence; else empty."""
    report: Report | None = None
    """None if it did not run."""
    capture: str = ""
    """The folder with its evidence, for `report`; empty if there is none."""
    output: str = ""
    """The file with what it printed; empty if it was not started."""
    node: str = ""
    """The machine of the Ray cluster on which it ran; empty for this one."""
    resumed: bool = False
    """Whether it is from an earlier run."""

    @property
    def cause(self) -> Finding | None:
        """The first finding of the report: what to look at."""
        return self.report.findings[0] if self.report and self.report.findings else None

    @property
    def peak_bytes(self) -> int | None:
        """Peak memory of one call, if it was measured."""
        return self.report.peak_bytes if self.report else None

    @property
    def seconds(self) -> float | None:
        """The quickest call after the first, in wall-clock seconds."""
        return self.report.warm_call if self.report else None


@dataclass(frozen=True)
class Matrix:
    """The result of a whole run."""

    subject: str
    """The target as the user wrote it."""
    axes: tuple[str, ...]
    """The names of the axes, without torch."""
    cells: tuple[Cell, ...]
    folder: str
    """Where the cells' evidence is kept."""
    notes: tuple[str, ...] = ()
    interrupted: bool = False
    """Whether Ctrl-C ended it: then cells are `not-run`."""

    @property
    def exit_code(self) -> int:
        """130 if interrupted; 1 if a cell is unhealthy; 3 if one has no verdict, or none compiled anything; else 0."""
        verdicts = {cell.verdict for cell in self.cells}
        if self.interrupted:
            return 130
        if "unhealthy" in verdicts:
            return 1
        return 0 if "healthy" in verdicts and verdicts <= {"healthy", "uncompiled"} else 3
