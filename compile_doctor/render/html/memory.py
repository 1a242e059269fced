"""The memory of one compiled call over time, as a line."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from compile_doctor.model.sizes import human
from compile_doctor.render.html.chart import Chart, Drawn, Tick

_LEFT, _TOP, _WIDTH, _HEIGHT = 84, 28, 760, 220
ROWS = 20
"""Rows of the table."""


@dataclass(frozen=True)
class Memory:
    """What the template shows."""

    chart: Chart
    summary: str
    rows: tuple[tuple[str, str], ...]
    """The highest moments, in their order."""


def memory(points: Sequence[tuple[int, int]]) -> Memory:
    """With linear axes. Between two points as much is allocated as at the first of them."""
    end = max(at for at, _ in points) or 1
    top = max(0, *(size for _, size in points)) or 1
    low = min(0, *(size for _, size in points))
    peak_at, peak = max(points, key=lambda point: point[1])

    def place(at: float, size: float) -> tuple[float, float]:
        return _LEFT + _WIDTH * at / end, _TOP + _HEIGHT * (1 - (size - low) / ((top - low) * 1.05))

    path, y = f"M{_LEFT} {place(0, 0)[1]:.1f}", 0.0
    for at, size in points:
        x, y = place(at, size)
        path += f"H{x:.1f}V{y:.1f}"
    summary = f"At most {human(peak)}, {_time(peak_at)} after the call began, beyond what was allocated before it"
    chart = Chart(
        _LEFT + _WIDTH + 24,
        _TOP + _HEIGHT + 46,
        _LEFT,
        _TOP,
        _LEFT + _WIDTH,
        _TOP + _HEIGHT,
        "time since the call began",
        "allocated",
        tuple(Tick(round(place(at, 0)[0], 1), _time(at)) for at in _steps(end)),
        tuple(Tick(round(place(0, size)[1], 1), human(size).replace(".0 ", " ")) for size in _steps(top)),
        (Drawn("allocated", 0, path, (), ""),),
        summary,
    )
    highest = sorted(sorted(points, key=lambda point: (-point[1], point[0]))[:ROWS])
    return Memory(chart, summary, tuple((_time(at), human(size)) for at, size in highest))


def _steps(end: float) -> Iterator[float]:
    """About five from zero."""
    step = 10.0 ** math.floor(math.log10(max(end, 1) / 2))
    step *= next(factor for factor in (1, 2, 5, 10, 20) if end / (step * factor) <= 6)
    return (number * step for number in range(int(end / step) + 1))


def _time(microseconds: float) -> str:
    for unit, factor in (("s", 1e6), ("ms", 1e3)):
        if microseconds >= factor:
            return f"{microseconds / factor:.1f} {unit}".replace(".0 ", " ")
    return f"{microseconds:.0f} µs"
