"""The document `check`, key by key. A docstring here is the key's description in the published schema."""

from __future__ import annotations

from typing import Annotated, Literal

from compile_doctor.gate import outcome as gate
from compile_doctor.render.document import Record, Texts, one_of
from compile_doctor.render.finding_document import Finding
from compile_doctor.render.report_document import Report

Kind = Annotated[
    str,
    one_of("finding", "graphs", "frames-skipped", "recompiles", "attention", "cuda-graphs", "threshold"),
]


class Change(Record):
    """One difference from the baseline."""

    kind: Kind
    """What differs."""
    text: str
    """How, in one sentence."""
    finding: Finding | None
    """The finding that is new; null if the change is not about one."""
    waived: str | None
    """The reason of the waiver that covers it; null if none does."""


class Outcome(Record):
    """One target of the configuration."""

    name: str
    """Its name in `[[tool.compile-doctor.targets]]`."""
    status: Annotated[str, one_of(*gate.STATUSES)]
    """`better` is a pass that `baseline update` could record."""
    reason: str | None
    """Why, in one sentence; null for a pass."""
    worse: tuple[Change, ...]
    """What is worse than the baseline, waived or not."""
    better: tuple[Change, ...]
    """What is better than the baseline."""
    cached: bool
    """Whether the result comes from the cache."""
    hint: str | None
    """The command to run next; null if there is none."""
    report: Report | None
    """The target's full report; null without `-v`, or if it was not run."""


class Check(Record):
    """What `check` writes with `--format json`."""

    schema: Literal["compile-doctor/check/1"]
    """The name of this schema, with its version."""
    torch: str
    """torch's version."""
    device: str
    """What the targets ran on: `cpu`, `cuda`, …"""
    exit_code: Annotated[int, one_of(0, 1, 3)]
    """1 if something got worse, else 3 if something was inconclusive, else 0."""
    targets: tuple[Outcome, ...]
    """In the order of the configuration."""
    notes: Texts
    """Waivers that expired or cover nothing, what the backend does not show, and which figure could not be written."""
