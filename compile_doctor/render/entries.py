"""What the formats for CI show: one entry for each finding or change, and its text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from compile_doctor.gate.outcome import Outcome
from compile_doctor.model.findings import SEVERITIES, Finding, Location
from compile_doctor.report.report import Report
from compile_doctor.source import locations

INCONCLUSIVE = "inconclusive"
CONFIGURATION = "pyproject.toml"
"""The file of a target whose own file is not known: the target is configured there."""


@dataclass(frozen=True)
class Entry:
    """A finding; or a change in the gate, or a missing verdict, as a finding."""

    finding: Finding
    kind: str
    """`finding` in a report; `regression`, `waived`, `known` or `uncompared` in a gate; `inconclusive` in both."""
    level: str
    """error, warning or info: its level in this output. In a gate, an error makes it fail."""
    target: str = ""
    """Empty in a report, which has only one target."""
    path: str = CONFIGURATION
    """The target's file, for formats that always need a file."""
    note: str = ""
    """The text of the gate: the change, or the reason of the waiver."""


@dataclass(frozen=True)
class Target:
    """A report, or an outcome of the gate."""

    name: str
    status: str
    """`failed`, `inconclusive` or `passed`."""
    word: str
    """The verdict of the report, or the status in the gate."""
    reason: str
    entries: tuple[Entry, ...]
    report: Report | None = None
    outcome: Outcome | None = None


def one_line(text: str, limit: int = 300) -> str:
    """White space folded, cut after `limit` characters."""
    return cut(" ".join(text[: limit * 4].split()), limit)


def cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def label(finding: Finding) -> str:
    """`CD101 graph-break`."""
    return f"{finding.code} {finding.name}".strip()


def at(location: Location | None) -> str:
    """`model.py:7 in Model.forward`, or nothing."""
    if location is None:
        return ""
    function = f" in {location.function}" if location.function else ""
    line = f":{location.line}" if location.line else ""
    return f"{locations.short(location.file)}{line}{function}"


def own_place(finding: Finding) -> Location | None:
    """The location in the project: that of the finding, or of the line that calls it; None if neither is inside."""
    inside = (one for one in (finding.location, finding.via) if one and not one.file.startswith(("/", "<", "..")))
    return next(inside, None)


def body(entry: Entry, limit: int = 4000) -> str:
    """The full text of an entry, in lines."""
    finding = entry.finding
    lines = [f"Waived: {entry.note}"] if entry.kind == "waived" else []
    lines += [finding.title, entry.note[:1].upper() + entry.note[1:] if entry.kind == "regression" else ""]
    lines.append(finding.message)
    if finding.via:
        lines.append(f"Called from {at(finding.via)}: {finding.via.snippet}")
    lines += [f"Also: {at(place)}" for place in finding.also]
    lines.append(f"Fix: {finding.fix}" if finding.fix else "")
    lines.append(f"Recipe: {finding.recipe}" if finding.recipe else "")
    # A change and its finding may have the same text: show it once.
    return cut("\n".join(line for line in dict.fromkeys(lines) if line), limit)


def fingerprints(entries: Sequence[Entry]) -> list[str]:
    """One for each entry, without line, count or message; entries with the same one are numbered by their location."""
    found = [""] * len(entries)
    seen: dict[str, int] = {}

    def where(index: int) -> tuple[int, str, str, int]:
        entry = entries[index]
        line = entry.finding.location.line if entry.finding.location else 0
        return line, entry.target, entry.finding.title, index

    for index in sorted(range(len(entries)), key=where):
        text = "\0".join(identity(entries[index].finding))
        digest = hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()
        seen[digest] = seen.get(digest, 0) + 1
        found[index] = digest if seen[digest] == 1 else f"{digest}:{seen[digest]}"
    return found


def identity(finding: Finding) -> tuple[str, ...]:
    """What stays the same when lines, values and machines change."""
    file, function = (finding.location.file, finding.location.function) if finding.location else ("", "")
    return (finding.code, finding.upstream or "", finding.owner, locations.short(file), function, finding.cause)


def worst_first(entries: Iterable[Entry]) -> list[Entry]:
    """Sorted stably, within a level in the order of the report. Targets without a verdict come first."""
    return sorted(entries, key=lambda entry: (entry.kind != INCONCLUSIVE, SEVERITIES.index(entry.level)))
