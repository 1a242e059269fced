"""The starts as one HTML file: where the time of each went as bars, the graphs, what makes the cache useless, and what would help."""

from __future__ import annotations

from dataclasses import dataclass

from compile_doctor.analysis.compile_time import WORDS
from compile_doctor.clean import cleaned
from compile_doctor.coldstart.result import NAMES, ColdStart, Started
from compile_doctor.model.timeline import PHASES
from compile_doctor.render import start_words as words
from compile_doctor.render.entries import cut
from compile_doctor.render.html import findings as cards
from compile_doctor.render.html.page import Page, Section, written
from compile_doctor.source import locations

GRAPHS = 1_000
"""Rows of the table of graphs."""
_WIDTH = 560


@dataclass(frozen=True)
class Part:
    """One phase of a start."""

    style: int
    x: float
    width: float
    title: str


@dataclass(frozen=True)
class Bar:
    """One start: its phases, one after the other."""

    name: str
    y: int
    end: float
    parts: tuple[Part, ...]
    total: str


@dataclass(frozen=True)
class Starts:
    """What the template shows."""

    bars: tuple[Bar, ...]
    legend: tuple[tuple[int, str], ...]
    names: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    meanings: tuple[tuple[str, str], ...]


@cleaned
def render(found: ColdStart, verbosity: int = 0, colour: bool = False) -> str:
    found = words.relative(found)
    word, tone, sentence = words.headline(found)
    made = [Section("starts", "Starts", "coldstart.html", _starts(found.starts))] if found.starts else []
    if found.findings:
        shown = cards.of_report(found.findings, cards.Known(found.sources), "")
        made.append(Section("findings", "Findings", "findings.html", shown, count=len(found.findings)))
    if found.advice:
        helps = [
            (words.gain(one), f"{one.name}: {one.text + ' ' if words.helps(one) else ''}From: {one.basis}.")
            for one in found.advice
        ]
        made.append(Section("advice", "What would help", "details.html", [("", helps)], count=len(helps)))
    if found.graphs:
        rows = [
            (
                f"{locations.short(one.frame.file)}:{one.frame.line} {one.frame.function} [{one.compile_id}]",
                words.seconds(one.cold),
                words.seconds(one.warm),
                one.answer + (f": {cut(one.reason, 400)}" if one.reason else ""),
            )
            for one in found.graphs[:GRAPHS]
        ]
        data = (
            "Compilations of the cold start, the longest first",
            ("graph", "cold", "warm", "cache in the warm start"),
            rows,
        )
        made.append(Section("graphs", "Graphs", "table.html", data, count=len(found.graphs)))
    notes = [("", cut(note, 600)) for note in (found.busy, *found.notes) if note]
    if notes:
        made.append(Section("notes", "Notes", "details.html", [("", notes)]))
    return written(Page(f"coldstart {found.target}", word, tone, sentence, words.facts(found)[1:], made))


def _starts(starts: tuple[Started, ...]) -> Starts:
    longest = max((one.compiling or 0.0 for one in starts), default=0.0) or 1.0
    return Starts(
        bars=tuple(_bar(number, one, longest) for number, one in enumerate(starts)),
        legend=tuple(
            (style, f"{WORDS[phase]}: {meaning}")
            for style, (phase, meaning) in enumerate(PHASES.items())
            if any(one.phases.get(phase) for one in starts)
        ),
        names=tuple(one.name for one in starts),
        rows=tuple((name, tuple(cells)) for name, cells in words.rows(starts)),
        meanings=tuple((one.name, NAMES[one.name]) for one in starts),
    )


def _bar(number: int, one: Started, longest: float) -> Bar:
    parts, x = [], 90.0
    for style, phase in enumerate(PHASES):
        spent = one.phases.get(phase, 0.0)
        if spent > 0:
            width = round(_WIDTH * spent / longest, 2)
            parts.append(Part(style, round(x, 2), width, f"{one.name}: {WORDS[phase]} {words.seconds(spent)}"))
            x += width
    total = words.seconds(one.compiling)
    return Bar(
        one.name, 30 * number, round(x, 2), tuple(parts), total if one.compiling is not None else cut(one.problem, 60)
    )
