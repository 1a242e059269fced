"""The memory of one call over time, from the profiler's allocation events, as a series with few points."""

from __future__ import annotations

from collections.abc import Iterable

from compile_doctor.model.attention import POINTS

Point = tuple[int, int]
"""Microseconds since the call began, and bytes that are allocated from then on, beyond those before the call."""


def over_time(changes: Iterable[tuple[int, int]]) -> list[Point]:
    """From (nanoseconds, bytes that were allocated or freed), in any order. The highest point is always kept."""
    total = 0
    points: list[Point] = []
    for at, size in sorted(changes):
        total += size
        points.append((max(at, 0) // 1_000, total))
    return _thinned(points)


def _thinned(points: list[Point]) -> list[Point]:
    """Of each stretch of time the lowest and the highest point, in their order."""
    if len(points) <= POINTS:
        return points
    end = points[-1][0] + 1
    stretches: dict[int, list[int]] = {}
    for number, (at, _) in enumerate(points):
        stretches.setdefault(at * (POINTS // 2) // end, []).append(number)
    kept = set()
    for numbers in stretches.values():
        kept |= {min(numbers, key=lambda n: points[n][1]), max(numbers, key=lambda n: points[n][1])}
    return [points[number] for number in sorted(kept)]
