"""What `parity` found: one cell per case and implementation, and findings as in a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from compile_doctor.model.findings import Finding

STATUSES = ("FAIL", "DRIFT", "PASS", "UNSUPPORTED", "N/A")
"""Worst first. DRIFT: beyond the tolerance, within what the dtype explains. UNSUPPORTED: torch, or the function, refuses it."""


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
    """`flex-compiled`, `sdpa-flash`, …; for a model `inductor` or the backend that was asked for."""
    status: str
    """One of STATUSES. Never PASS where nothing ran."""
    max_error: float | None = None
    """The largest absolute difference from the reference; None where nothing was computed."""
    tolerance: float | None = None
    reason: str | None = None
    """Why it is UNSUPPORTED, N/A or a FAIL, in a few words."""
    known: str | None = None
    """The recipe whose defect of torch makes it FAIL (the row is there to show it) or keeps it from being compiled."""

    @property
    def word(self) -> str:
        """The status as it is shown: KNOWN for one that a known defect of torch explains."""
        return "KNOWN" if self.known else self.status


@dataclass(frozen=True)
class Parity:
    """The whole run."""

    subject: str
    """`suite`, or the target."""
    environment: Mapping[str, Any]
    cells: tuple[Cell, ...]
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    """What could not be checked, and why."""

    @property
    def exit_code(self) -> int:
        """1 for a FAIL or a finding, 0 for at least one PASS (or DRIFT) without one, 3 where nothing could be run.

        What a known defect of this torch does is shown, and changes nothing.
        """
        statuses = {cell.word for cell in self.cells}
        if self.findings or "FAIL" in statuses:
            return 1
        return 0 if statuses & {"PASS", "DRIFT"} else 3
