"""The graphs and the generated code, line by line of the user's, with the texts folded away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compile_doctor.analysis.generated import Generated, LineUse, uses
from compile_doctor.clean import clean
from compile_doctor.model.kept_text import LONGEST, KeptText
from compile_doctor.model.ranks import named
from compile_doctor.render.entries import at, cut
from compile_doctor.report.report import Report
from compile_doctor.source import locations

GRAPHS = 200
_GRAPH = 1_500
"""Characters below which a graph is not worth its room."""
_LONGEST = 120_000
"""Characters of one text."""
_LINES = 200
_NAMES = 12


@dataclass(frozen=True)
class Row:
    """One line of the user's."""

    place: str
    code: str
    operators: tuple[str, ...]
    more: int
    """Operators that are not shown."""
    kernels: tuple[str, ...]


@dataclass(frozen=True)
class Text:
    """A graph or code."""

    title: str
    text: str
    cut: int
    """Characters that are not shown."""


@dataclass(frozen=True)
class Shown:
    """One graph."""

    name: str
    ranks: str
    rows: tuple[Row, ...]
    unlisted: int
    other: tuple[str, ...]
    texts: tuple[Text, ...]
    missing: tuple[str, ...]
    """Texts for which there was no room."""


@dataclass(frozen=True)
class Graphs:
    """What the template shows."""

    graphs: tuple[Shown, ...]
    hidden: int


def generated(report: Report, world_size: int, room: int) -> Graphs:
    shown = []
    for one in report.generated[: min(GRAPHS, 1 + room // _GRAPH)]:
        made, used = _shown(one, room, world_size, report.cwd)
        room -= used
        shown.append(made)
    return Graphs(tuple(shown), len(report.generated) - len(shown))


def _shown(one: Generated, room: int, world_size: int, cwd: str) -> tuple[Shown, int]:
    graph = _read(one.graph, cwd)
    codes = [_read(code, cwd) for code in one.code]
    found = uses(graph, "\n".join(codes))
    rows, used = _rows(found.lines[:_LINES], room)
    texts, missing = [], []
    several = len(codes) > 1
    parts = [
        ("The graph", graph, one.graph),
        *(
            (f"Inductor's code{f', {n}' * several}", text, code)
            for n, (text, code) in enumerate(zip(codes, one.code), 1)
        ),
        ("The guards", _read(one.guards, cwd), one.guards),
    ]
    for title, text, whole in parts:
        if whole is None:
            continue
        part = text[:_LONGEST]
        if text and used + len(part) <= room:
            beyond = whole.size - len(part) if len(part) < len(text) or whole.size > LONGEST else 0
            texts.append(Text(title, part, beyond))
            used += len(part)
        else:
            missing.append(f"{title} ({whole.size:,} bytes)")
    ranks = f", {named(one.ranks, world_size)}" if one.ranks else ""
    return (
        Shown(
            f"{one.label} {at(one.location)}",
            ranks,
            rows,
            max(0, len(found.lines) - len(rows)),
            tuple(cut(kernel, 120) for kernel in found.other[: 4 * _NAMES]),
            tuple(texts),
            tuple(missing),
        ),
        used,
    )


def _rows(lines: Sequence[LineUse], room: int) -> tuple[tuple[Row, ...], int]:
    """As many as there is room for, and how much they take."""
    rows: list[Row] = []
    used = 0
    for line in lines:
        row = Row(
            f"{locations.short(line.file)}:{line.line}",
            cut(line.code, 160),
            tuple(cut(operator, 160) for operator in line.operators[:_NAMES]),
            max(0, len(line.operators) - _NAMES),
            tuple(cut(kernel, 120) for kernel in line.kernels[:_NAMES]),
        )
        used += 200 + len(row.code) + sum(len(text) + 20 for text in (*row.operators, *row.kernels))
        if used > room:
            break
        rows.append(row)
    return tuple(rows), used


def _read(kept: KeptText | None, cwd: str) -> str:
    text = clean(kept.text or "") if kept else ""
    prefix = cwd.rstrip("/") + "/"
    return text.replace(prefix, "") if len(prefix) > 1 else text
