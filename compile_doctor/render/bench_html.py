"""Timings as one HTML file: for each case a plot, and the table behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from compile_doctor.bench.result import Bench, Row
from compile_doctor.clean import cleaned
from compile_doctor.model.sizes import human
from compile_doctor.render.bench_text import FEW, NOISY, WORDS, meanings, ran_on, refused, seconds
from compile_doctor.render.entries import cut
from compile_doctor.render.html.chart import Bar, Chart, Series, bars, chart
from compile_doctor.render.html.page import Page, Section, written

ROWS = 1_000
"""Rows of one table."""


@dataclass(frozen=True)
class Line:
    """One row of a table."""

    cells: tuple[str, ...]
    best: bool
    reason: str


@dataclass(frozen=True)
class Case:
    """What the template shows."""

    name: str
    chart: Chart | None
    bars: tuple[Bar, ...]
    rows: tuple[Line, ...]
    refused: tuple[tuple[str, str], ...]
    """Implementations that are unsupported at every size, with the reason."""
    hidden: int


@cleaned
def render(bench: Bench, verbosity: int = 0, colour: bool = False) -> str:
    names = list(dict.fromkeys(row.implementation for row in bench.rows))
    cases = [
        Section(f"case-{number}", name, "bench.html", _case(name, list(rows), names))
        for number, (name, rows) in enumerate(groupby(bench.rows, key=lambda row: row.case), 1)
    ]
    notes = [("", cut(note, 600)) for note in meanings(bench)]
    made = [*cases, Section("notes", "What the figures mean", "details.html", [("", notes)])] if notes else cases
    measured = sum(row.status == "measured" for row in bench.rows)
    word = "interrupted" if bench.interrupted else "measured" if measured else "nothing measured"
    tone = "open" if bench.interrupted or not measured else "good"
    sentence = f"{measured:,} of {len(bench.rows):,} rows have times."
    return written(Page(f"bench {bench.subject}", word, tone, sentence, ran_on(bench), made))


def _case(name: str, rows: Sequence[Row], names: Sequence[str]) -> Case:
    drawn = chart(
        list(_series(rows, names)), "tokens", "time of one call", seconds, f"{name}: time of one call over tokens"
    )
    sizes = {row.tokens for row in rows}
    measured = [row for row in rows if row.status == "measured" and row.median]
    columns: tuple[Bar, ...] = ()
    if drawn is None and len(sizes) == 1 and measured:
        ordered = sorted(measured, key=lambda row: row.median or 0.0)
        columns = bars([(row.implementation, row.median or 0.0, seconds(row.median)) for row in ordered], names)
    never = refused(rows)
    shown = [_line(row) for row in rows if row.implementation not in never]
    why = tuple((one, cut(reason, 400)) for one, reason in never.items())
    return Case(name, drawn, columns, tuple(shown[:ROWS]), why, max(0, len(shown) - ROWS))


def _series(rows: Sequence[Row], names: Sequence[str]) -> Iterator[Series]:
    """Each implementation has the same look in every case."""
    for style, name in enumerate(names):
        found = [
            (row.tokens, row.median)
            for row in rows
            if row.implementation == name and row.status == "measured" and row.tokens and row.median
        ]
        if found:
            yield Series(name, found, style, [f"{name}: {seconds(y)} at {x:,} tokens" for x, y in found])


def _line(row: Row) -> Line:
    tokens = f"{row.tokens:,}" if row.tokens is not None else "–"
    if row.status != "measured":
        return Line(
            (row.implementation, tokens, WORDS.get(row.status, row.status), "", "", "", "", ""),
            False,
            cut(row.reason or "", 400),
        )
    cells = (
        row.implementation,
        tokens,
        seconds(row.median),
        f"{100 * (row.spread or 0):.0f} %" + ("!" if row.noisy else "") if row.calls >= FEW else "–",
        f"{row.ratio:.2f}×" if row.ratio else NOISY,
        seconds(row.per_token),
        human(row.peak_bytes) if row.peak_bytes is not None else "–",
        "–" if row.compile_seconds is None else f"{row.compile_seconds:.1f} s" + "*" * row.compile_cached,
    )
    return Line(cells, row.ratio == 1.0, cut(row.reason or "", 400))
