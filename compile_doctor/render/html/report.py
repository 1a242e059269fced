"""The sections of one report, for a page of its own or as a target of the gate."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from compile_doctor.model.findings import Finding, Location
from compile_doctor.render.entries import Entry, cut
from compile_doctor.render.html import (
    attention,
    frames,
    generated,
    guards,
    memory,
    ranks,
    recompiled,
    sources,
    timeline,
)
from compile_doctor.render.html import findings as cards
from compile_doctor.render.html.page import Section
from compile_doctor.render.html.room import SIZE, fitting
from compile_doctor.report.report import Report
from compile_doctor.report.trial import Trial

_TONES = {"error": "bad", "warning": "open", "info": "info"}


def facts(report: Report) -> tuple[str, ...]:
    """How the target was understood, and what it ran on."""
    env = report.environment
    found = [report.convention, f"torch {env['torch']}" if env.get("torch") else ""]
    found += [str(env.get("gpu") or env.get("device") or ""), str(env.get("backend") or "")]
    return tuple(cut(fact, 200) for fact in found if fact)


_SHARES = {
    "missing": 2,
    "findings": 60,
    "attention": 10,
    "frames": 9,
    "recompiled": 6,
    "timeline": 12,
    "memory": 1,
    "guards": 3,
    "generated": 12,
    "cudagraphs": 2,
    "ranks": 12,
    "sources": 14,
    "trial": 2,
    "numerics": 2,
    "details": 4,
}
"""The room that each part may take, compared with the others that are there."""


def sections(
    report: Report,
    prefix: str = "",
    level: int = 2,
    entries: Sequence[Entry] | None = None,
    size: float = SIZE,
) -> tuple[Section, ...]:
    """Those with something in them, within about `size` characters. `entries`: what the gate makes of the findings."""

    def section(name: str, title: str, data: Any, count: int | None = None) -> Section:
        return Section(prefix + name, title, f"{name}.html", data, level, count)

    room = _rooms(report, size)
    world = report.ranks.world_size if report.ranks else 0
    known = cards.Known(report.sources, report.bytecode, _typed(report))
    found = [entry.finding for entry in entries] if entries is not None else list(report.findings)
    if entries is None:
        shown = cards.of_report(report.findings, known, prefix, room["findings"])
    else:
        shown = cards.of_entries(entries, known, prefix, room["findings"])
    carded = found[: len(shown.cards)]
    made = []
    if "missing" in room:
        made.append(
            section("missing", "Missing evidence", _fitting(report.missing, room["missing"]), len(report.missing))
        )
    made.append(section("findings", "Findings", shown, len(found)))
    calls = attention.attention(report.attention, prefix, room.get("attention", 0))
    if "attention" in room:
        made.append(section("attention", "Attention", calls, len(report.attention)))
    if "frames" in room:
        drawn = frames.pictures(report.frames, _anchors(carded, prefix), world, room["frames"])
        made.append(section("frames", "Frames and graphs", drawn))
    if "recompiled" in room:
        trees = recompiled.trees(report.frames, world, room["recompiled"])
        made.append(section("recompiled", "Recompilations", trees, report.summary.get("recompiles")))
    if "timeline" in room:
        made.append(section("timeline", "Timeline", timeline.timelines(report.timelines, room["timeline"])))
    if "memory" in room:
        made.append(section("memory", "Memory over time", memory.memory(report.memory)))
    if "guards" in room:
        timed = guards.guards(report.guards, room["guards"])
        made.append(section("guards", "Guards", timed, len(report.guards)))
    if "generated" in room:
        graphs = generated.generated(report, world, int(room["generated"]))
        made.append(section("generated", "Graphs and generated code", graphs, len(report.generated)))
    if "cudagraphs" in room:
        captured = fitting(report.cuda_graphs, room["cudagraphs"])
        made.append(section("cudagraphs", "CUDA graphs", captured, len(report.cuda_graphs)))
    if report.ranks:
        by_rank = ranks.ranks(report.ranks, report.frames, room["ranks"])
        made.append(section("ranks", "Ranks", by_rank, len(report.ranks.seen)))
    files = sources.files([*_notes(report, carded, len(calls.calls), prefix)], report.sources, room.get("sources", 0))
    if files:
        made.append(section("sources", "Sources", files))
    if report.trial:
        made.append(section("trial", "With the recipes", fitting(_trial(report.trial), room["trial"])))
    if "numerics" in room:
        compared = fitting(report.numerics, room["numerics"])
        made.append(section("numerics", "Numerics", compared, len(report.numerics)))
    if report.not_recorded:  # a few short sentences: no room is set apart for them
        pairs = [(part, f"{why}.") for part, why in report.not_recorded.items()]
        made.append(section("unrecorded", "Not recorded", pairs, len(pairs)))
    made.append(section("details", "Details of the run", tuple(_details(report, room["details"]))))
    return tuple(made)


def _typed(report: Report) -> str:
    """The target for a command line; `fix` needs one, and a program under `run`, or torch's trace, has none."""
    return shlex.quote(report.target) if report.convention else "TARGET"


def _rooms(report: Report, size: float) -> dict[str, float]:
    """The characters that each part may take; only the parts that are there."""
    there = {
        "missing": report.missing,
        "attention": report.attention,
        "frames": any(one.lanes for one in report.frames),
        "recompiled": recompiled.any_again(report.frames),
        "timeline": any(one.compilations for one in report.timelines),
        "memory": report.memory,
        "guards": report.guards,
        "generated": report.generated,
        "cudagraphs": report.cuda_graphs,
        "ranks": report.ranks,
        "sources": report.sources,
        "trial": report.trial,
        "numerics": report.numerics,
    }
    shares = {name: share for name, share in _SHARES.items() if there.get(name, True)}
    return {name: size * share / sum(shares.values()) for name, share in shares.items()}


def _fitting(texts: Sequence[str], room: float) -> tuple[str, ...]:
    """With the number of those that are left out."""
    shown = fitting((cut(text, 1_000) for text in texts), room)
    left = len(texts) - len(shown)
    return (*shown, f"and {left:,} more") if left else shown


def _anchors(found: Sequence[Finding], prefix: str) -> dict[tuple[str, int], tuple[int, str]]:
    """The finding of a place; of several, the first."""
    anchors: dict[tuple[str, int], tuple[int, str]] = {}
    for number, finding in enumerate(found, 1):
        if finding.location:
            place = finding.location.file, finding.location.line
            anchors.setdefault(place, (number, f"{prefix}finding-{number}"))
    return anchors


def _notes(report: Report, found: Sequence[Finding], calls: int, prefix: str) -> Iterator[sources.Note]:
    for number, finding in enumerate(found, 1):
        also = ((place, "because of ") for place in finding.also)
        for place, word in ((finding.location, ""), (finding.via, "leads to "), *also):
            if place:
                text = f"{word}{number}  {finding.code} {finding.name}: {cut(finding.title, 160)}"
                yield _note(place, text, _TONES[finding.severity], f"{prefix}finding-{number}")
    for number, entry in enumerate(report.attention[:calls], 1):
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
    rows += [("gone", named(finding)) for finding in trial.gone]
    rows += [("new", named(finding)) for finding in trial.new]
    rows += [("attention", f"{place}: {new}, was {old}") for place, old, new in trial.attention]
    rows.append(("compile", f"{trial.compile_seconds[1]:.1f} s, was {trial.compile_seconds[0]:.1f} s"))
    return tuple(rows)


def _details(report: Report, room: float) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
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
            shown = fitting(((cut(str(name), 120), cut(str(value), 1_000)) for name, value in rows), room / len(lists))
            left = len(rows) - len(shown)
            yield title, (*shown, ("", f"and {left:,} more")) if left else shown
