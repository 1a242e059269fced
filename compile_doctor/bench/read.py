"""Reads the event files of the children of `bench` into rows. If a child died, its events up to then count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compile_doctor.analysis.root_cause import root_cause
from compile_doctor.bench.result import Row
from compile_doctor.capture import schema
from compile_doctor.capture.events import read_failure
from compile_doctor.capture.reading import BadRecordError, decode_event

FAILED = 70
"""Exit code of a child that wrote an event with the reason."""


@dataclass
class Events:
    """The events of one child, and how it ended (the result of `processes.children.watch`)."""

    ended: Mapping[str, Any]
    environment: dict[str, Any] = field(default_factory=dict)
    kind: str = ""
    convention: str = ""
    groups: list[dict[str, Any]] | None = None
    not_a_target: bool = False
    usage: str = ""
    failure: str = ""
    """The exception of the target that ended the child; else empty."""
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By implementation: its last `outcome` and `timed` events, merged."""
    last: str = ""
    """The implementation that was begun last."""
    doing: str = ""
    patches: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, directory: Path, ended: Mapping[str, Any]) -> Events:
        """Reads all event files of a child and its forks. An incomplete last line is ignored."""
        found = cls(ended)
        for path in sorted(directory.glob("process-*.jsonl")):
            for number, line in enumerate(path.read_bytes().splitlines(), 1):
                try:
                    found._take(decode_event(line))
                except BadRecordError as error:
                    if ended["ended"] == "exited":  # else the last line may be incomplete
                        found.notes.append(f"{path.name}, line {number}: {error}")
        return found

    def with_more(self, other: Events) -> Events:
        """Adds the environment, recipes and notes of a later child, and returns self."""
        self.environment.update(other.environment)
        self.patches.update(other.patches)
        self.notes += other.notes
        return self

    @property
    def cut_off(self) -> str:
        """If the process did not end by itself, the status of the row that was being measured; else empty."""
        if self.ended["ended"] == "timeout":
            return "timed-out"
        return "died" if self.ended["ended"] == "signal" or self.ended["exit_code"] not in (0, FAILED) else ""

    def why(self) -> str:
        """Why the process ended, as a phrase for a message."""
        if self.failure:
            return self.failure
        if self.ended["ended"] == "timeout":
            return f"the process timed out after {self.ended['seconds']:.0f} s (--timeout)"
        if self.ended["ended"] == "signal":
            return f"the process was ended by {self.ended['signal']}"
        return f"the process ended with code {self.ended['exit_code']}"

    def _take(self, event: Any) -> None:
        if isinstance(event, schema.Environment):
            self.environment.update(event.values)
        elif isinstance(event, schema.Plan):
            self.kind, self.convention, self.groups = event.kind, event.convention, list(event.groups)
        elif isinstance(event, (schema.NotATarget, schema.Usage)):
            self.usage, self.not_a_target = event.message, isinstance(event, schema.NotATarget)
        elif isinstance(event, schema.Raised):
            self.failure = _message(event)
        elif isinstance(event, schema.Begun):
            self.last, self.doing = event.implementation, event.doing
        elif isinstance(event, (schema.Outcome, schema.Timed)):
            self._figures(event)
        elif isinstance(event, schema.Patches):
            self.patches.update(
                {one.id: {"id": one.id, "state": one.state, "reason": one.reason} for one in event.recipes}
            )
        elif isinstance(event, (schema.Note, schema.Lost)):
            self.notes.append(event.text)

    def _figures(self, event: schema.Outcome | schema.Timed) -> None:
        known = self.facts.setdefault(event.implementation, {})
        before = known.get("recompiles", 0)
        known.update({name: value for name, value in vars(event).items() if value is not None})
        if isinstance(event, schema.Timed):
            known["recompiles"] += before
        elif event.chain:
            known["reason"] = _message(event)


def _message(event: schema.Raised | schema.Outcome) -> str:
    cause = root_cause(read_failure(event, "measure"))
    return f"{cause.type.rpartition('.')[2]}: {cause.message}"


def rows_of(seen: Events, case: str, tokens: int | None, wanted: Sequence[str]) -> list[Row]:
    """A row for each implementation that finished or ended its process; at least one row."""
    rows = []
    for name in wanted:
        facts = seen.facts.get(name, {})
        if "median" in facts and facts.get("status", "failed") != "wrong":
            rows.append(_measured(seen, case, tokens, name, facts))
        elif "status" in facts:
            rows.append(_row(case, tokens, name, facts["status"], facts))
        elif name == seen.last and seen.cut_off:
            reason = f"{seen.why()} while it was {_DOING[seen.doing]}"
            rows.append(_row(case, tokens, name, seen.cut_off, {**facts, "reason": reason}))
    if rows:
        return rows
    # The process ended before the first implementation began, so another process would not get further.
    return [_row(case, tokens, name, seen.cut_off or "failed", {"reason": seen.why()}) for name in wanted]


_DOING = {"prepare": "compiled and called for the first time", "time": "timed"}


def _measured(seen: Events, case: str, tokens: int | None, name: str, facts: dict[str, Any]) -> Row:
    reasons = [facts.get("reason")]
    if "status" in facts or (name == seen.last and seen.cut_off):
        reasons = [f"the figures are from the calls before it failed: {facts.get('reason') or seen.why()}"]
    elif facts["recompiles"]:
        reasons.append(f"recompiled {facts['recompiles']}× while it was timed")
    return _row(case, tokens, name, "measured", {**facts, "reason": "; ".join(filter(None, reasons)) or None})


def _row(case: str, tokens: int | None, name: str, status: str, facts: Mapping[str, Any]) -> Row:
    median, first = facts.get("median"), facts.get("first")
    compiled = facts.get("compiled") and first is not None
    return Row(
        case=case,
        tokens=tokens,
        implementation=name,
        status=status,
        median=median,
        p25=facts.get("p25"),
        p75=facts.get("p75"),
        calls=facts.get("calls", 0),
        noisy=facts.get("noisy", False),
        positions=facts.get("positions"),
        compile_seconds=max(0.0, first - (median or 0.0)) if compiled and first is not None else None,
        compile_cached=facts.get("cached", False),
        recompiles=facts.get("recompiles", 0),
        peak_bytes=facts.get("peak"),
        difference=facts.get("difference"),
        tolerance=facts.get("tolerance"),
        reason=facts.get("reason"),
    )
