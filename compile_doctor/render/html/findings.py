"""The findings: each with its line in place, its cause, its fix, and what was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from compile_doctor.model.findings import SEVERITIES, Finding, Location
from compile_doctor.model.ranks import ranges
from compile_doctor.render.entries import Entry, at, cut, label
from compile_doctor.render.finding_parts import Decompiled, cost, decompiled
from compile_doctor.render.html import code
from compile_doctor.render.html.room import SIZE, fitting

DETAILED = 1_000
"""Findings that are shown with everything."""
LISTED = 4_000
"""Findings that are shown at least with one line."""
_TEXT = 6_000
"""Characters of a text."""
_SEEN = 40
"""Lines of what was seen."""


@dataclass(frozen=True)
class Card:
    """One finding, as it is shown."""

    id: str
    number: int
    level: str
    status: str
    """What the gate makes of it; empty in a report."""
    label: str
    place: str
    title: str
    message: str
    excerpt: tuple[code.Line, ...]
    snippet: str
    """The line alone, if its file is not known."""
    via: str
    via_snippet: str
    also: tuple[str, ...]
    fix: str
    rewrites: str
    """The command that tries rewrites; empty if there are none."""
    recipe: str
    cost: str
    seen: tuple[str, ...]
    output: bool
    """Whether what was seen is the target's own output."""
    bytecode: Decompiled | None
    ranks: str
    upstream: str


@dataclass(frozen=True)
class Findings:
    """What the template shows."""

    cards: tuple[Card, ...]
    """Those with details."""
    listed: tuple[tuple[str, str, str, str], ...]
    """Further ones: level, label, place, title."""
    hidden: int
    """Even more."""
    counts: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Known:
    """What belongs to all findings of a report: its sources, and what Dynamo made of functions."""

    sources: Mapping[str, str] = field(default_factory=dict)
    bytecode: Mapping[str, Any] = field(default_factory=dict)
    target: str = "TARGET"
    """As it is typed; a command has none."""


def of_report(findings: Sequence[Finding], known: Known, prefix: str, room: float = SIZE) -> Findings:
    return _made([(finding, finding.severity, "") for finding in findings], known, prefix, room)


def of_entries(entries: Sequence[Entry], known: Known, prefix: str, room: float = SIZE) -> Findings:
    """Those of one target of the gate."""
    words = {
        "regression": "got worse",
        "waived": "waived",
        "known": "in the baseline",
        "uncompared": "not compared",
        "inconclusive": "no verdict",
    }
    shown = []
    for entry in entries:
        status = words.get(entry.kind, entry.kind)
        # The note of a change without a finding is its title already.
        note = "" if entry.note in ("", entry.finding.title) else f": {entry.note}"
        shown.append((entry.finding, entry.level, status + note))
    return _made(shown, known, prefix, room)


def _made(shown: Sequence[tuple[Finding, str, str]], known: Known, prefix: str, room: float) -> Findings:
    made = (
        _card(finding, level, status, known, f"{prefix}finding-{number}", number)
        for number, (finding, level, status) in enumerate(shown[:DETAILED], 1)
    )
    cards = fitting(made, 0.95 * room)
    lines = ((level, label(one), at(one.location), cut(one.title, 200)) for one, level, _ in shown[len(cards) : LISTED])
    listed = fitting(lines, 0.05 * room)
    counts = tuple((level, count) for level in SEVERITIES if (count := sum(one == level for _, one, _ in shown)))
    return Findings(cards, listed, len(shown) - len(cards) - len(listed), counts)


def _card(finding: Finding, level: str, status: str, known: Known, name: str, number: int) -> Card:
    from compile_doctor.mend.rewrites import fitting
    from compile_doctor.report.explain import upstream_url

    place, via = finding.location, finding.via
    excerpt = _excerpt(place, known.sources)
    lines = finding.evidence[-_SEEN:] if finding.facts.target_fails else finding.evidence[:_SEEN]
    return Card(
        id=name,
        number=number,
        level=level,
        status=cut(status, 300),
        label=label(finding),
        place=at(place),
        title=cut(finding.title, 500),
        message=cut(finding.message, _TEXT),
        excerpt=excerpt,
        snippet=cut(place.snippet, code.LONGEST) if place and not excerpt else "",
        via=at(via),
        via_snippet=cut(via.snippet, code.LONGEST) if via else "",
        also=tuple(map(at, finding.also)),
        fix=cut(finding.fix.rstrip(), _TEXT),
        rewrites=f"compile-doctor fix {known.target}" if fitting(finding.cause) else "",
        recipe=finding.recipe or "",
        cost=cost(finding),
        seen=tuple(cut(line, 1_000) for line in lines),
        output=finding.facts.target_fails,
        bytecode=decompiled(finding, known.bytecode, known.sources),
        ranks=cut(ranges(finding.ranks), 60),
        upstream=upstream_url(finding.upstream) if finding.upstream else "",
    )


def _excerpt(place: Location | None, sources: Mapping[str, str]) -> tuple[code.Line, ...]:
    if place is None or place.file not in sources:
        return ()
    found = code.lines(sources[place.file], place.line - 3, place.line + 3, place.line)
    if not any(line.marked for line in found):
        return ()
    while not found[0].markup.strip():
        found = found[1:]
    while not found[-1].markup.strip():
        found = found[:-1]
    return found
