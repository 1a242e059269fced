"""The result of `parity`: one cell per case and implementation, and findings as in a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from compile_doctor.model.findings import Finding

STATUSES = ("FAIL", "DRIFT", "PASS", "UNSUPPORTED", "N/A")
"""Worst first. DRIFT: above the tolerance, but the dtype explains it. UNSUPPORTED: torch or the function refuses it."""


@dataclass(frozen=True)
class Cell:
    """One comparison with the reference."""

    case: str
    """`causal-decode`, `sliding-window`, …; for a model `compiled-vs-eager`, `chunk-4`, …"""
    heads: str
    """`mha`, `gqa` or `mqa`; empty for a model."""
    dtype: str
    """`float32`, `bfloat16`, …"""
    direction: str
    """`forward` or `backward`."""
    implementation: str
    """`flex-compiled`, `sdpa-flash`, …; for a model `inductor`, or the backend of `--backend`."""
    status: str
    """One of STATUSES. Never PASS if nothing ran."""
    max_error: float | None = None
    """The largest absolute difference from the reference; None if nothing was computed."""
    tolerance: float | None = None
    reason: str | None = None
    """Why it is UNSUPPORTED, N/A or a FAIL, in a few words."""
    known: str | None = None
    """The recipe for the defect of torch that makes it FAIL, or prevents its compilation."""

    @property
    def word(self) -> str:
        """The status that is shown: KNOWN if a known defect of torch explains it."""
        return "KNOWN" if self.known else self.status


@dataclass(frozen=True)
class Parity:
    """The result of a whole run."""

    subject: str
    """`suite`, or the target as the user wrote it."""
    environment: Mapping[str, Any]
    cells: tuple[Cell, ...]
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    """What could not be checked, and why."""
    missing: int = 0
    """Comparisons that Ctrl-C prevented."""

    @property
    def exit_code(self) -> int:
        """130 if it was interrupted; 1 if there is a FAIL or a finding, else 0 if there is a PASS or a DRIFT, else 3.

        The effects of known defects of this torch are shown, but do not change the exit code.
        """
        statuses = {cell.word for cell in self.cells}
        if self.missing:
            return 130
        if self.findings or "FAIL" in statuses:
            return 1
        return 0 if statuses & {"PASS", "DRIFT"} else 3
