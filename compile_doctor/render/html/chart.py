"""A chart with two logarithmic axes: lines of marked points, in the units of its own drawing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

MARKS = ("circle", "square", "ring", "triangle", "cross", "diamond")
_LEFT, _TOP, _WIDTH, _HEIGHT = 84, 28, 430, 230


@dataclass(frozen=True)
class Series:
    """One line."""

    name: str
    points: Sequence[tuple[float, float]]
    style: int
    """Its colour, its kind of mark and its kind of line."""
    labels: Sequence[str] = ()
    """What a point says if it is pointed at."""


@dataclass(frozen=True)
class Mark:
    """A point, as a path."""

    path: str
    label: str


@dataclass(frozen=True)
class Drawn:
    """A line with its marks."""

    name: str
    style: int
    path: str
    marks: tuple[Mark, ...]
    sample: str
    """The mark in the legend."""


@dataclass(frozen=True)
class Tick:
    """A line of the grid, with its text."""

    at: float
    text: str


@dataclass(frozen=True)
class Chart:
    """Everything to draw."""

    width: float
    height: float
    left: float
    top: float
    right: float
    bottom: float
    x_label: str
    y_label: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[Drawn, ...]
    summary: str


def chart(
    series: Sequence[Series], x_label: str, y_label: str, unit: Callable[[float], str], summary: str
) -> Chart | None:
    """None if there is nothing to draw: a line needs two sizes, of which each is above zero."""
    points = [point for one in series for point in one.points if point[0] > 0 and point[1] > 0]
    sizes = sorted({x for x, _ in points})
    if len(sizes) < 2:
        return None
    x_scale = _scale(sizes[0], sizes[-1], _LEFT + 16, _LEFT + _WIDTH - 16)
    low, high = min(y for _, y in points), max(y for _, y in points)
    y_scale = _scale(low / 1.3, high * 1.3, _TOP + _HEIGHT, _TOP)
    lines = []
    for one in series:
        kept = sorted((x, y, label) for (x, y), label in zip(one.points, _labels(one), strict=True) if x > 0 and y > 0)
        if kept:
            at = [(x_scale(x), y_scale(y)) for x, y, _ in kept]
            path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in at)
            marks = tuple(Mark(_mark(one.style, x, y), label) for (x, y), (_, _, label) in zip(at, kept, strict=True))
            lines.append(Drawn(one.name, one.style, path, marks, _mark(one.style, 14, 8)))
    return Chart(
        _LEFT + _WIDTH + 12,
        _TOP + _HEIGHT + 46,
        _LEFT,
        _TOP,
        _LEFT + _WIDTH,
        _TOP + _HEIGHT,
        x_label,
        y_label,
        tuple(Tick(round(x_scale(size), 1), f"{size:,.0f}") for size in _thinned(sizes)),
        tuple(
            Tick(round(y_scale(value), 1), unit(value).replace(".0 ", " ")) for value in _decades(low / 1.3, high * 1.3)
        ),
        tuple(lines),
        summary,
    )


def _labels(one: Series) -> Sequence[str]:
    return one.labels or [""] * len(one.points)


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    width = math.log(high / low) or 1.0
    return lambda value: start + (end - start) * math.log(value / low) / width


def _thinned(sizes: Sequence[float]) -> Sequence[float]:
    """At most eight, so that their texts do not touch."""
    every = math.ceil(len(sizes) / 8)
    return sizes[::-1][::every][::-1]


def _decades(low: float, high: float) -> list[float]:
    """1, 2 and 5 of each decade, or only 1 if those are many."""
    steps = (1, 2, 5) if high / low < 150 else (1,)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    found = [step * 10.0**power for power in range(first, last + 1) for step in steps]
    shown = [value for value in found if low <= value <= high]
    every = math.ceil(len(shown) / 10) or 1
    return shown[::every]


def _mark(style: int, x: float, y: float) -> str:
    shape = MARKS[style % len(MARKS)]
    if shape in ("circle", "ring"):
        radius = 4 if shape == "circle" else 5.5
        return (
            f"M{x - radius:.1f} {y:.1f}a{radius} {radius} 0 1 0 {2 * radius} 0a{radius} {radius} 0 1 0 {-2 * radius} 0z"
        )
    if shape == "square":
        return f"M{x - 4:.1f} {y - 4:.1f}h8v8h-8z"
    if shape == "diamond":
        return f"M{x:.1f} {y - 5.5:.1f}l5.5 5.5l-5.5 5.5l-5.5 -5.5z"
    if shape == "triangle":
        return f"M{x:.1f} {y - 5:.1f}l5 9h-10z"
    return f"M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8"


@dataclass(frozen=True)
class Bar:
    """One bar of a list of bars."""

    name: str
    y: float
    width: float
    text: str
    style: int


def bars(values: Sequence[tuple[str, float, str]], names: Sequence[str]) -> tuple[Bar, ...]:
    """In this order, from zero; each with its name and the text of its value."""
    longest = max(value for _, value, _ in values) or 1.0
    return tuple(
        Bar(
            name if len(name) <= 22 else f"{name[:21]}…",
            30 * number,
            round(340 * value / longest, 1),
            text,
            names.index(name),
        )
        for number, (name, value, text) in enumerate(values)
    )
