"""Where the compile time went, in the text report: a phrase in the line of figures, and a table with `-v`."""

from __future__ import annotations

from rich.console import Console

from compile_doctor.analysis.compile_time import WORDS, answers, by_line, longest
from compile_doctor.model.timeline import PHASES
from compile_doctor.report.report import Report
from compile_doctor.source import locations

WORTH = 1_000_000
"""Microseconds of compiling below which its parts are nobody's question."""
SHOWN = 10
"""Functions in the table."""


def mostly(report: Report) -> str:
    """`, 81 % of it C++ and Triton`: the phase that took most of the time; empty if it was short, or was not recorded."""
    timeline = longest(report.timelines)
    total = sum(timeline.phases.values()) if timeline else 0
    if timeline is None or total < WORTH:
        return ""
    phase, spent = max(timeline.phases.items(), key=lambda item: item[1])
    return f" ({100 * spent // total} % {WORDS[phase]})"


def compile_time_table(console: Console, report: Report, verbosity: int) -> None:
    """A row for each function, the slowest first; a phase that took no time is left out. Prints nothing without `-v`."""
    timeline = longest(report.timelines)
    if timeline is None or not verbosity:
        return
    lines = by_line(timeline)
    phases = [phase for phase in PHASES if timeline.phases[phase] >= 50_000]
    shown = lines[:SHOWN]
    rows = [("Compile time", "total", *(WORDS[phase] for phase in phases), "compiled", "cache")]
    rows += [
        (
            f"{locations.short(one.frame.file)}:{one.frame.line} {one.frame.function}",
            *(_seconds(spent) for spent in (one.total, *(one.phases[phase] for phase in phases))),
            f"{len(one.compilations)}×",
            answers(answer for each in one.compilations for answer in each.caches) or "not asked",
        )
        for one in shown
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    widths[0] = min(widths[0], 44)
    for number, row in enumerate(rows):
        name = row[0] if len(row[0]) <= widths[0] else "…" + row[0][1 - widths[0] :]
        cells = [f"{cell:>{width}}" for cell, width in zip(row[1:-1], widths[1:-1])]
        console.print(
            "  ".join([f"{name:<{widths[0]}}", *cells, row[-1]]).rstrip(),
            style=None if number else "bold",
            soft_wrap=True,
        )
    if len(lines) > len(shown):
        console.print(f"and {len(lines) - len(shown)} more functions: --format json has all")
    console.print()


def _seconds(microseconds: int) -> str:
    return f"{microseconds / 1e6:.1f} s" if microseconds >= 50_000 else "–"
