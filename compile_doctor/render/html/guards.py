"""What the guards of each compilation cost at a call: a table, and the slowest guards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compile_doctor.model.guards import TimedGuards
from compile_doctor.render.entries import cut
from compile_doctor.render.html.room import fitting
from compile_doctor.source import locations

SLOWEST = 10


@dataclass(frozen=True)
class Guards:
    """What the template shows."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    unlisted: int
    """Compilations that the table leaves out."""
    slowest: tuple[tuple[str, ...], ...]
    """Microseconds, value and guard."""


def guards(found: Sequence[TimedGuards], room: float) -> Guards:
    """The most expensive compilation first."""
    rows = fitting(map(_row, found), room / 2)
    slowest = sorted(
        ((guard, one) for one in found for guard in one.cost.slowest),
        key=lambda pair: (-pair[0].microseconds, pair[0].source, pair[1].cost.compile_id),
    )
    return Guards(
        ("function", "compile id", "place", "µs at each call", "guards", "of them in Python", "µs, caches flushed"),
        rows,
        len(found) - len(rows),
        tuple(
            (cut(guard.guard or guard.source, 300), f"{guard.microseconds:.1f}", one.cost.compile_id)
            for guard, one in slowest[:SLOWEST]
        ),
    )


def _row(one: TimedGuards) -> tuple[str, ...]:
    return (
        cut(one.frame.function, 80),
        one.cost.compile_id,
        f"{locations.short(one.frame.file)}:{one.frame.line}",
        f"{one.cost.microseconds:,.1f}",
        f"{one.cost.guards:,}",
        f"{one.cost.python:,}",
        f"{one.flushed:,.0f}" if one.flushed else "–",
    )
