"""The timeline of a run: a row for each compilation with what it did when, beside the calls of the target.

Places are in percent of the picture's width, so that a wider picture shows more and its texts keep their shape.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from compile_doctor.analysis.compile_time import WORDS, TimedLine, answers, by_line, longest
from compile_doctor.model.stacks import Frame
from compile_doctor.model.timeline import PHASES, Span, Timeline
from compile_doctor.render.entries import cut
from compile_doctor.render.html.room import fitting
from compile_doctor.source import locations

ROWS = 60
"""Compilations in one picture: those that took longest."""
FUNCTIONS = 20
PICTURES = 8
OTHERS = 16
"""Other ranks below the one that did the same."""
_PICTURE = 30_000
"""Characters below which a picture is not worth its room."""
_BAR = 700
"""About what a bar takes: one that is drawn twice, with its title."""
_LINE, _LABEL, _PAD, _DEEPEST = 13, 17, 9, 6
_NAMED = 7.0
"""Percent of the width from which a bar has its name in it."""


@dataclass(frozen=True)
class Bar:
    """Something that took time."""

    x: float
    width: float
    y: float
    style: int
    name: str
    """In the bar, if there is room; else empty."""
    title: str


@dataclass(frozen=True)
class Row:
    """One compilation, or what is not one."""

    y: float
    label: str
    place: str
    x: float
    at_end: bool
    """Whether the label ends at `x`, because there is no room behind it."""
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Tick:
    """A moment."""

    x: float
    text: str
    fine: bool
    """Shown only in a wide picture."""

    @property
    def at_end(self) -> bool:
        """Whether there is no room behind it for its text."""
        return self.x > 94


@dataclass(frozen=True)
class Picture:
    """One process, or one rank."""

    name: str
    height: float
    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]
    hidden: int
    """Compilations that are not drawn."""
    omitted: int
    """Spans that are not drawn."""
    summary: str
    head: tuple[str, ...]
    table: tuple[tuple[str, ...], ...]
    unlisted: int
    """Rows that the table leaves out."""


@dataclass(frozen=True)
class Timelines:
    """What the template shows."""

    pictures: tuple[Picture, ...]
    hidden: int
    head: tuple[str, ...]
    functions: tuple[tuple[str, ...], ...]
    """Seconds by function, of the rank that compiled longest."""
    unlisted: int
    legend: tuple[tuple[int, str], ...]
    """Style and meaning of the phases that were seen."""


def timelines(found: Sequence[Timeline], room: float) -> Timelines:
    """All on one time axis."""
    end = max((one.duration for one in found), default=0) or 1
    drawn = [one for one in found if one.compilations][: max(1, min(PICTURES, int(room / _PICTURE)))]
    shown = [_picture(one, end, room / len(drawn)) for one in drawn]
    seen = {phase for one in found for phase, spent in one.phases.items() if spent}
    legend = tuple((n, meaning) for n, (phase, meaning) in enumerate(PHASES.items()) if phase in seen)
    slowest = longest(found)
    phases = [phase for phase in PHASES if slowest and slowest.phases[phase] >= 5_000]
    lines = by_line(slowest) if slowest else []
    return Timelines(
        tuple(shown),
        max(0, sum(bool(one.compilations) for one in found) - len(drawn)),
        ("function", "place", "compiled", "seconds", *(WORDS[phase] for phase in phases), "cache"),
        tuple(_function(line, phases) for line in lines[:FUNCTIONS]),
        max(0, len(lines) - FUNCTIONS),
        legend,
    )


def _function(line: TimedLine, phases: Sequence[str]) -> tuple[str, ...]:
    return (
        cut(line.frame.function, 80),
        _place(line.frame),  # as in the picture: with the whole path the last columns have no room
        f"{len(line.compilations)}×",
        f"{line.total / 1e6:.2f}",
        *(f"{line.phases[phase] / 1e6:.2f}" for phase in phases),
        answers(answer for one in line.compilations for answer in one.caches) or "not asked",
    )


def _picture(found: Timeline, end: int, room: float) -> Picture:
    longest = sorted(found.compilations, key=lambda one: -one.timing.duration)[: min(ROWS, 3 + int(room / 2 / _BAR))]
    kept = {id(one) for one in longest}
    shown = [one for one in found.compilations if id(one) in kept]
    every = {id(one): list(_levels(one.timing.spans)) for one in shown}
    spans = sorted((each for found in every.values() for each in found), key=lambda each: -each[0].duration)
    drawn = {id(span) for span, _, _ in spans[: int(room / 2 / _BAR)]}
    rows: list[Row] = []
    y = 26.0
    if found.calls:
        calls = [(call.start, call.duration, f"{call.phase} call {call.index + 1}") for call in found.calls]
        rows.append(_plain(y, "calls of the target", calls, end))
        y += _LABEL + _LINE + _PAD
    for one in shown:
        levels = [each for each in every[id(one)] if id(each[0]) in drawn]
        bars = (
            *(_phase(span, y + _LABEL, end) for span, _, new in levels if new),
            *(_bar(span, y + _LABEL + _LINE * (level + 1) + 2, end) for span, level, _ in levels),
        )
        start = 100 * one.timing.start / end
        label, place = f"{cut(one.frame.function, 50)} {one.compile_id}", _place(one.frame)
        rows.append(Row(y, label, place, round(start, 3), start > 55, bars))
        y += _LABEL + (2 + max((level for _, level, _ in levels), default=0)) * _LINE + _PAD
    if found.aside:
        aside = [(one.start, one.duration, one.name) for one in found.aside if not one.depth][:200]
        rows.append(_plain(y, "in the background", aside, end))
        y += _LABEL + _LINE + _PAD
    for other in found.others[:OTHERS]:
        times = [
            (start, lasted, f"{one.frame.function} {one.compile_id}")
            for one, start, lasted in zip(found.compilations, other.starts, other.durations)
            if start is not None and lasted is not None
        ]
        rows.append(_plain(y, f"rank {other.rank}, which did the same", times, end))
        y += _LABEL + _LINE + _PAD
    spent = sum(one.timing.duration for one in found.compilations)
    several = "s" * (len(found.compilations) != 1)
    summary = (
        f"{len(found.compilations):,} compilation{several} took {spent / 1e6:.1f} s of {found.duration / 1e6:.1f} s"
    )
    phases = [phase for phase, time in found.phases.items() if time]
    table = fitting(_table(found, phases), room / 4)
    whole = len(found.compilations) + (len(found.compilations) > 1)
    return Picture(
        f"rank {found.rank}" if found.rank is not None else "",
        y,
        tuple(rows),
        tuple(_ticks(end, fine=room > 2 * _PICTURE)),
        len(found.compilations) - len(shown),
        len(spans) - len(drawn) + sum(one.timing.omitted for one in shown),
        summary,
        (
            "function",
            "compile id",
            "place",
            "begins at",
            "seconds",
            *(WORDS[phase] for phase in phases),
            "caches",
            "why",
        ),
        table,
        whole - len(table),
    )


def _levels(spans: Sequence[Span]) -> Iterator[tuple[Span, int, bool]]:
    """Each span, the level at which it is drawn, and whether its phase differs from that of the span around it.

    A span that is nearly the whole of the one around it, in the same phase, is left out: it shows nothing new.
    """
    around: list[tuple[Span, int]] = []
    for span in spans:
        del around[span.depth :]
        outer, level = around[-1] if around else (None, -1)
        same = outer is not None and outer.phase == span.phase
        if outer is not None and same and span.duration > 0.9 * outer.duration:
            around.append((span, level))
            continue
        around.append((span, level + 1))
        if level + 1 < _DEEPEST or not same:
            yield span, min(level + 1, _DEEPEST), not same


def _phase(span: Span, y: float, end: int) -> Bar:
    """In the first line, in which later ones cover what is around them: each moment has the colour of the innermost."""
    width = 100 * span.duration / end
    title = f"{WORDS[span.phase]}: {_time(span.duration)} at {_time(span.start)}, with what is within it"
    return Bar(round(100 * span.start / end, 4), round(width, 4), y, list(PHASES).index(span.phase), "", title)


def _bar(span: Span, y: float, end: int) -> Bar:
    width = 100 * span.duration / end
    title = f"{span.name}: {_time(span.duration)} at {_time(span.start)} ({WORDS[span.phase]})"
    if not span.ended:
        title += ", not finished"
    style = list(PHASES).index(span.phase)
    name = span.name if width >= _NAMED and len(span.name) < 1.05 * width else ""
    return Bar(round(100 * span.start / end, 4), round(width, 4), y, style, name, title)


def _plain(y: float, label: str, times: Sequence[tuple[int, int, str]], end: int) -> Row:
    bars = tuple(
        Bar(
            round(100 * start / end, 4),
            round(100 * lasted / end, 4),
            y + _LABEL,
            8,
            name if 100 * lasted / end >= _NAMED and len(name) < 105 * lasted / end else "",
            f"{name}: {_time(lasted)} at {_time(start)}",
        )
        for start, lasted, name in times
    )
    return Row(y, label, "", min((bar.x for bar in bars), default=0.0), False, bars)


def _place(frame: Frame) -> str:
    return f"{locations.short(frame.file).rpartition('/')[2]}:{frame.line}"


def _time(microseconds: float) -> str:
    if abs(microseconds) >= 1e6:
        return f"{microseconds / 1e6:.2f} s"
    return f"{microseconds / 1e3:.1f} ms"


def _ticks(end: int, fine: bool) -> Iterator[Tick]:
    """About ten; `fine`: with ten finer ones between two of them."""
    step = 10 ** math.floor(math.log10(end / 5))
    step *= next(factor for factor in (1, 2, 5, 10) if end / (step * factor) <= 10)
    part = step / 10
    places = max(0, 6 - math.floor(math.log10(part)))
    for number in range(int(end / part) + 1):
        x = round(100 * number * part / end, 4)
        if number % 10 == 0:
            yield Tick(x, f"{number * part / 1e6:.{max(0, places - 1)}f} s", False)
        elif fine and x < 99:
            yield Tick(x, f"{number * part / 1e6:.{places}f}", True)


def _table(found: Timeline, phases: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """All compilations together, then each, the longest first."""
    whole = found.phases
    if len(found.compilations) > 1:
        total = sum(one.timing.duration for one in found.compilations)
        yield ("all", "", "", "", f"{total / 1e6:.2f}", *(f"{whole[phase] / 1e6:.2f}" for phase in phases), "", "")
    for one in sorted(found.compilations, key=lambda one: -one.timing.duration):
        spent = dict(one.timing.phases)
        told = [f"{answer.cache.replace('_', ' ')}: {answer.answer}" for answer in one.caches]
        told += [answer.reason for answer in one.caches if answer.reason]
        yield (
            cut(one.frame.function, 80),
            one.compile_id,
            f"{locations.short(one.frame.file)}:{one.frame.line}",
            f"{one.timing.start / 1e6:.2f}",
            f"{one.timing.duration / 1e6:.2f}",
            *(f"{spent.get(phase, 0) / 1e6:.2f}" for phase in phases),
            cut("; ".join(dict.fromkeys(told)), 200),
            cut(one.reason, 200) or ("" if not one.recompilation else "compiled again"),
        )
