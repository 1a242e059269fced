"""The report as GitLab Code Quality: a JSON array of violations, each with a file and a line."""

from __future__ import annotations

import json
from typing import Any

from compile_doctor.clean import cleaned
from compile_doctor.gate.outcome import Gate
from compile_doctor.render.entries import INCONCLUSIVE, Entry, body, cut, fingerprints, label, own_place
from compile_doctor.render.subjects import targets
from compile_doctor.report.report import Report
from compile_doctor.source import locations

_SEVERITIES = {"error": "critical", "warning": "minor", "info": "info"}
_DESCRIPTION = 2000


@cleaned
def render(report: Report, verbosity: int = 0, colour: bool = False) -> str:
    return _array(report)


@cleaned
def render_gate(gate: Gate, verbosity: int = 0, colour: bool = False) -> str:
    return _array(gate)


def _array(subject: Report | Gate) -> str:
    entries = [entry for target in targets(subject) for entry in target.entries]
    prints = fingerprints(entries)
    found = [_violation(entry, fingerprint) for entry, fingerprint in zip(entries, prints)]
    return json.dumps(found, indent=2) + "\n"


def _violation(entry: Entry, fingerprint: str) -> dict[str, Any]:
    """GitLab shows nothing without a file: an entry without a location is shown at the target's file."""
    finding = entry.finding
    place = own_place(finding)
    path, line = (place.file, place.line) if place else (entry.path, 1)
    named = f"{entry.target}: {body(entry)}" if entry.target else body(entry)
    if finding.location and place != finding.location:
        named += f"\nIn {locations.short(finding.location.file)}:{finding.location.line}"
    open_end = entry.kind == INCONCLUSIVE or (entry.kind == "finding" and finding.is_outcome)
    return {
        "description": cut(named, _DESCRIPTION),
        "check_name": label(finding),
        "fingerprint": fingerprint,
        "severity": "blocker" if open_end else _SEVERITIES[entry.level],
        "location": {"path": path, "lines": {"begin": max(1, line)}},
    }
