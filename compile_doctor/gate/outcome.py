"""The result of the pre-merge gate: one outcome per configured target, with its report and what got worse or better."""

from __future__ import annotations

from dataclasses import dataclass

from compile_doctor.model.findings import Finding, Location
from compile_doctor.report.report import Report

STATUSES = ("regression", "inconclusive", "pass", "better")
"""Worst first. `better` is a pass that `baseline update` could record."""


@dataclass(frozen=True)
class Change:
    """One difference from the baseline that the gate reports."""

    kind: str
    """finding, graphs, frames-skipped, recompiles, attention, threshold"""
    text: str
    """One sentence: "7 graphs, 1 in the baseline"."""
    finding: Finding | None = None
    """The finding that is new, or gone."""
    waived: str = ""
    """The reason of the waiver that covers it; empty if none does."""
    location: Location | None = None
    """Where it is, if it is not about a finding; line 0 if only the function is known."""


@dataclass(frozen=True)
class Outcome:
    """One target of the configuration."""

    name: str
    """Its name in `[[tool.compile-doctor.targets]]`."""
    status: str
    reason: str
    """Why, in one sentence; empty for a pass."""
    report: Report | None
    """None if the target was not run."""
    worse: tuple[Change, ...] = ()
    better: tuple[Change, ...] = ()
    cached: bool = False
    hint: str = ""
    """The command to run next, if there is one; after a regression, only if the change is intended."""

    @property
    def next_step(self) -> str:
        """The hint and when to follow it; empty without a hint."""
        word = "if this is intended" if self.status == "regression" else "next"
        return f"{word}: {self.hint}" if self.hint else ""


@dataclass(frozen=True)
class Gate:
    """The whole run of `check`."""

    outcomes: tuple[Outcome, ...]
    """In the order of the configuration."""
    torch: str
    device: str
    notes: tuple[str, ...] = ()
    """Expired and unused waivers, and what --backend eager cannot see."""

    @property
    def exit_code(self) -> int:
        """1 if something got worse, else 3 if something was inconclusive, else 0."""
        found = {outcome.status for outcome in self.outcomes}
        if "regression" in found:
            return 1
        return 0 if found and found <= {"pass", "better"} else 3
