"""The tree of recompilations: for each function what was compiled, and what had changed each time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from compile_doctor.analysis.frame_map import Attempt, FrameMap
from compile_doctor.model.ranks import named
from compile_doctor.render.entries import cut
from compile_doctor.render.html.room import fitting
from compile_doctor.source import locations

STEPS = 60
"""Compilations of one function."""


@dataclass(frozen=True)
class Step:
    """One compilation."""

    label: str
    what: str
    why: str
    change: tuple[str, str] | None
    """The value before and after, if torch shows both and the reason does not."""
    guards: str
    """torch's own text."""


@dataclass(frozen=True)
class Tree:
    """One function, or a part of one, that was compiled more than once."""

    ranks: str
    name: str
    place: str
    seconds: float
    steps: tuple[Step, ...]
    hidden: int


@dataclass(frozen=True)
class Trees:
    """What the template shows."""

    trees: tuple[Tree, ...]
    hidden: int


def any_again(maps: Sequence[FrameMap]) -> bool:
    """Whether anything was compiled again."""
    return next(_trees(maps, 0), None) is not None


def trees(maps: Sequence[FrameMap], world_size: int, room: float) -> Trees:
    """In the order of the map."""
    found = list(_trees(maps, world_size))
    shown = fitting(found, room)
    return Trees(shown, len(found) - len(shown))


def _trees(maps: Sequence[FrameMap], world_size: int) -> Iterator[Tree]:
    for one in maps:
        for lane in one.lanes:
            for piece in lane.pieces:
                if not any(attempt.failed_entry for attempt in piece.attempts):
                    continue
                again = [attempt for attempt in piece.attempts if attempt.failed_entry]
                yield Tree(
                    named(one.ranks, world_size) if one.ranks else "",
                    lane.location.function + (f", from line {piece.line}" if piece.resumes else ""),
                    f"{locations.short(lane.location.file)}:{piece.line}",
                    sum(attempt.seconds or 0.0 for attempt in again),
                    tuple(_step(attempt) for attempt in piece.attempts[:STEPS]),
                    max(0, len(piece.attempts) - STEPS),
                )


def _step(attempt: Attempt) -> Step:
    what = attempt.outcome if attempt.outcome != "compiled" else f"graph with {attempt.ops:,} operators"
    if attempt.seconds is not None:
        what += f", {attempt.seconds:.2f} s"
    was, now = attempt.was, attempt.now
    told = was is not None and now is not None and was in attempt.why and now in attempt.why
    return Step(
        attempt.label,
        what,
        cut(attempt.why, 400) if attempt.why else ("first compilation" if not attempt.failed_entry else ""),
        (cut(was, 80), cut(now, 80)) if was is not None and now is not None and not told else None,
        cut(attempt.failed_entry, 2_000),
    )
