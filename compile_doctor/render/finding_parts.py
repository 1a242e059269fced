"""What the text report and the HTML page show of a finding, in words that do not depend on the format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from compile_doctor.model.findings import Finding
from compile_doctor.model.stacks import function_name
from compile_doctor.source import locations


def cost(finding: Finding) -> str:
    """`2 extra graphs, 0.4 s of compile time, seen 3×`."""
    parts = []
    if finding.cost.graphs:
        parts.append(f"{finding.cost.graphs} extra graph{'s' * (finding.cost.graphs != 1)}")
    if finding.cost.seconds >= 0.05:
        parts.append(f"{finding.cost.seconds:.1f} s of compile time")
    if finding.count > 1:
        parts.append(f"seen {finding.count}×")
    return ", ".join(parts)


@dataclass(frozen=True)
class Decompiled:
    """The code that Dynamo made of a function, around the break."""

    title: str
    lines: tuple[str, ...]
    """Empty if it could not be decompiled: the title says why."""


def decompiled(finding: Finding, bytecode: Mapping[str, Any], sources: Mapping[str, str]) -> Decompiled | None:
    """None if the finding is not about a break, or the capture does not have it."""
    if not finding.facts.bytecode or finding.location is None:
        return None
    best: tuple[int, str] | None = None
    for key in bytecode:
        file, function, first = key.rsplit(":", 2)
        known = next((path for path in sources if file.endswith(path)), file)
        inside = locations.qualified(sources, known, int(first), function_name(function)) == finding.location.function
        # The frame that broke: the function, or the resume function that begins closest before the line.
        if (
            known == finding.location.file
            and inside
            and (best[0] if best else 0) <= int(first) <= finding.location.line
        ):
            best = int(first), key
    if best is None:
        return None
    entry, function = bytecode[best[1]], best[1].rsplit(":", 2)[1]
    if entry["text"] is None:
        return Decompiled(f"Bytecode of {function}: {entry['note']}", ())
    return Decompiled(f"Bytecode of {function}, decompiled ({entry['path']}):", _around_break(entry["text"]))


def _around_break(source: str) -> tuple[str, ...]:
    """The lines before and after the call of the first resume function."""
    lines = source.splitlines()
    at = next(
        (number for number, line in enumerate(lines) if "__resume_at" in line or "torch_dynamo_resume_in" in line),
        len(lines) - 1,
    )
    return tuple(lines[max(0, at - 7) : at + 3])
