"""Whether any input reached what a rewrite changes: if none did, equal outputs prove nothing."""

from __future__ import annotations

from compile_doctor.mend.comparison import Steps
from compile_doctor.mend.site import Candidate, Lines
from compile_doctor.mend.state import State
from compile_doctor.model.findings import Finding


def unseen(old: State, finding: Finding, candidate: Candidate) -> str:
    """Why equal outputs would show nothing, because a side of a branch never ran; empty if all of it ran."""
    ran = old.ran.get(finding.location.file, {}) if finding.location else {}
    reached_lines = {line for _, line in ran}
    for line in candidate.sides:
        if line not in reached_lines:
            return f"no input reached line {line}, so equal outputs would not show anything about it"
    for inner, outer in candidate.rarer:
        if reached(ran, inner) >= reached(ran, outer):
            return f"line {inner[0]} ran on all inputs, so equal outputs would not show what happens if it should not"
    return ""


def reached(ran: Steps, lines: Lines) -> int:
    """How often a statement was reached, from outside of its lines: a loop in it comes back to its first line by itself."""
    first, last = lines
    return sum(count for (before, line), count in ran.items() if first <= line <= last and not first <= before <= last)
