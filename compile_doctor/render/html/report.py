"""The sections of one report, for a page of its own or as a target of the gate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from compile_doctor.model.findings import Finding, Location
from compile_doctor.render.entries import Entry, cut
from compile_doctor.render.html import attention, frames, generated, ranks, recompiled, sources, timeline
from compile_doctor.render.html import findings as cards
from compile_doctor.render.html.page import Section
from compile_doctor.report.make import Report
from compile_doctor.report.trial import Trial

_TONES = {"error": "bad", "warning": "open", "info": "info"}
_MOST = 300
"""Rows of the smaller tables."""


def facts(report: Report) -> tuple[str, ...]:
    """How the target was understood, and what it ran on."""
    env = report.environment
    found = [report.convention, f"torch {env['torch']}" if env.get("torch") else ""]
    found += [str(env.get("gpu") or env.get("device") or ""), str(env.get("backend") or "")]
    return tuple(cut(fact, 200) for fact in found if fact)


def sections(
    report: Report, prefix: str = "", level: int = 2, entries: Sequence[Entry] | None = None
) -> tuple[Section, ...]:
    """Those with something in them. `entries`: what the gate makes of the findings."""

    def section(name: str, title: str, data: Any, count: int | None = None) -> Section:
        return Section(prefix + name, title, f"{name}.html", data, level, count)

    world = report.ranks.world_size if report.ranks else 0
    known = cards.Known(report.sources, report.bytecode)
    if entries is None:
        shown = cards.of_report(report.findings, known, prefix)
    else:
        shown = cards.of_entries(entries, known, prefix)
    found = [entry.finding for entry in entries] if entries is not None else list(report.findings)
    number = len(found)
    made = (
        [section("missing", "Missing evidence", report.missing[:_MOST], len(report.missing))] if report.missing else []
    )
    made.append(section("findings", "Findings", shown, number))
    if report.attention:
        calls = attention.attention(report.attention, prefix)
        made.append(section("attention", "Attention", calls, len(report.attention)))
    drawn = frames.pictures(report.frames, _anchors(found, prefix), world)
    if drawn:
        made.append(section("frames", "Frames and graphs", drawn))
    trees = recompiled.trees(report.frames, world)
    if trees:
        made.append(section("recompiled", "Recompilations", trees, report.summary.get("recompiles")))
    if any(one.compilations for one in report.timelines):
        made.append(section("timeline", "Timeline", timeline.timelines(report.timelines)))
    if report.generated:
        made.append(
            section("generated", "Graphs and generated code", generated.generated(report, world), len(report.generated))
        )
    if report.cuda_graphs:
        made.append(section("cudagraphs", "CUDA graphs", report.cuda_graphs[:_MOST], len(report.cuda_graphs)))
    if report.ranks:
        made.append(section("ranks", "Ranks", ranks.ranks(report.ranks, report.frames), len(report.ranks.seen)))
    files = sources.files([*_notes(report, found, prefix)], report.sources)
    if files:
        made.append(section("sources", "Sources", files))
    if report.trial:
        made.append(section("trial", "With the recipes", _trial(report.trial)))
    if report.numerics:
        made.append(section("numerics", "Numerics", report.numerics[:_MOST], len(report.numerics)))
    made.append(section("details", "Details of the run", tuple(_details(report))))
    return tuple(made)


def _anchors(found: Sequence[Finding], prefix: str) -> dict[tuple[str, int], tuple[int, str]]:
    """The finding of a place; of several, the first."""
    anchors: dict[tuple[str, int], tuple[int, str]] = {}
    for number, finding in enumerate(found[: cards.DETAILED], 1):
        if finding.location:
            place = finding.location.file, finding.location.line
            anchors.setdefault(place, (number, f"{prefix}finding-{number}"))
    return anchors


def _notes(report: Report, found: Sequence[Finding], prefix: str) -> Iterator[sources.Note]:
    for number, finding in enumerate(found[: cards.DETAILED], 1):
        for place, word in ((finding.location, ""), (finding.via, "leads to ")):
            if place:
                text = f"{word}{number}  {finding.code} {finding.name}: {cut(finding.title, 160)}"
                yield _note(place, text, _TONES[finding.severity], f"{prefix}finding-{number}")
    for number, entry in enumerate(report.attention[: attention.SHOWN], 1):
        tone = {"fused": "good", "dense": "bad", "mixed": "bad"}.get(entry.verdict, "open")
        yield _note(entry.location, f"attention: {entry.verdict}", tone, f"{prefix}attention-{number}")


def _note(place: Location, text: str, tone: str, href: str) -> sources.Note:
    return sources.Note(place.file, place.line, text, tone, href)


def _trial(trial: Trial) -> tuple[tuple[str, str], ...]:
    """What a second run with the recipes changed, as names and values."""

    def named(finding: Finding) -> str:
        place = f"  {finding.location.file}:{finding.location.line}" if finding.location else ""
        return f"{finding.code} {finding.name}{place}"

    before, after = trial.verdict
    states = [(one.id, f"{one.state}: {one.reason}" if one.reason else one.state) for one in trial.recipes]
    rows = [*states, ("verdict", after if before == after else f"{after}, was {before}")]
    rows += [("gone", named(finding)) for finding in trial.gone[:_MOST]]
    rows += [("new", named(finding)) for finding in trial.new[:_MOST]]
    rows += [("attention", f"{place}: {new}, was {old}") for place, old, new in trial.attention[:_MOST]]
    rows.append(("compile", f"{trial.compile_seconds[1]:.1f} s, was {trial.compile_seconds[0]:.1f} s"))
    return tuple(rows)


def _details(report: Report) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
    """Titles, each with names and values."""
    lists = (
        ("Notes", [("", note) for note in report.notes]),
        ("Sources that disagree", [("", text) for text in report.disagreements]),
        ("Not checked", list(report.skipped_checks)),
        ("Recipes", [(one.id, f"{one.state}: {one.reason}" if one.reason else one.state) for one in report.patches]),
        ("Unknown trace records", [(kind, f"{count:,}×") for kind, count in report.unknown_events.items()]),
        ("Counts", [(name.replace("_", " "), f"{value:,}") for name, value in report.summary.items()]),
        ("Seconds of each phase", [(name, f"{value:.2f}") for name, value in report.timings.items()]),
        ("Environment", [(name, str(value)) for name, value in report.environment.items()]),
        ("Options", [(name, str(value)) for name, value in report.settings.items() if value not in (None, False, ())]),
    )
    for title, rows in lists:
        if rows:
            yield title, tuple((cut(str(name), 120), cut(str(value), 1_000)) for name, value in rows[:_MOST])
