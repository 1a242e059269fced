"""The functions in which something was found, with the findings at their lines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compile_doctor.render.html import code
from compile_doctor.render.html.room import fitting
from compile_doctor.source import locations, statements

FILES = 30
_AROUND = 8
_WHOLE = 80
"""Lines of a function that is shown whole."""


@dataclass(frozen=True)
class Note:
    """What is there to say about a line."""

    file: str
    line: int
    text: str
    tone: str
    """`bad`, `open`, `info` or `good`."""
    href: str
    """The anchor of the finding or table row, without `#`."""


@dataclass(frozen=True)
class Annotated:
    """A line with its notes."""

    line: code.Line
    notes: tuple[Note, ...]


@dataclass(frozen=True)
class Region:
    """Adjacent lines."""

    function: str
    lines: tuple[Annotated, ...]


@dataclass(frozen=True)
class File:
    """The regions of one file."""

    name: str
    regions: tuple[Region, ...]
    notes: int
    hidden: int
    """Regions that are not shown."""


def files(notes: Sequence[Note], sources: Mapping[str, str], room: float) -> tuple[File, ...]:
    """Those that have notes, the one with the first note first."""
    by_file: dict[str, dict[int, list[Note]]] = defaultdict(lambda: defaultdict(list))
    for note in notes:
        if note.file in sources:
            by_file[note.file][note.line].append(note)
    shown = list(by_file.items())[:FILES]
    return tuple(_file(name, at, sources, room / len(shown)) for name, at in shown)


def _file(name: str, at: Mapping[int, list[Note]], sources: Mapping[str, str], room: float) -> File:
    text = sources[name]
    merged: list[list[int]] = []
    for line in sorted(at):
        first, last = _span(sources, name, line)
        if merged and first <= merged[-1][1] + 2:
            merged[-1][1] = max(merged[-1][1], last)
        else:
            merged.append([first, last])
    made = (
        Region(
            locations.enclosing(sources, name, next(line for line in sorted(at) if line >= first)),
            tuple(
                Annotated(code.Line(line.number, line.markup, line.number in at), tuple(at.get(line.number, ())))
                for line in code.lines(text, first, last)
            ),
        )
        for first, last in merged
    )
    regions = fitting(made, room)
    return File(locations.short(name), regions, sum(map(len, at.values())), len(merged) - len(regions))


def _span(sources: Mapping[str, str], name: str, line: int) -> tuple[int, int]:
    """The function around the line, or some lines around it if that is long."""
    around = statements.span(sources, name, line, locations.enclosing(sources, name, line).rpartition(".")[2])
    if around and around[1] - around[0] < _WHOLE:
        return around[0], around[1]
    return max(1, line - _AROUND), line + _AROUND
