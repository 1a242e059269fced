"""Ranks side by side: their figures, and function by function what differs between groups of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compile_doctor.analysis.frame_map import FrameMap, Lane
from compile_doctor.model.ranks import named
from compile_doctor.render import rank_table
from compile_doctor.render.html.room import fitting
from compile_doctor.report.by_rank import RankTable
from compile_doctor.source import locations


@dataclass(frozen=True)
class Compared:
    """One function on each group of ranks."""

    name: str
    place: str
    cells: tuple[str, ...]
    differs: bool


@dataclass(frozen=True)
class Ranks:
    """What the template shows."""

    heading: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    hidden: int
    groups: tuple[str, ...]
    functions: tuple[Compared, ...]
    unlisted: int


def ranks(table: RankTable, maps: Sequence[FrameMap], room: float) -> Ranks:
    rows = fitting(rank_table.rows(table), 0.7 * room)
    lanes = [{(lane.location.file, lane.location.function): lane for lane in one.lanes} for one in maps]
    keys = list(dict.fromkeys(key for one in lanes for key in one)) if len(maps) > 1 else []
    compared = [_compared(key, [one.get(key) for one in lanes]) for key in keys]
    compared.sort(key=lambda one: not one.differs)
    functions = fitting(compared, 0.3 * room)
    return Ranks(
        rank_table.heading(table),
        rank_table.HEAD,
        rows,
        len(table.rows) - len(rows),
        tuple(named(one.ranks, table.world_size) for one in maps),
        functions,
        len(compared) - len(functions),
    )


def _compared(key: tuple[str, str], found: Sequence[Lane | None]) -> Compared:
    cells = tuple(_cell(lane) for lane in found)
    line = next(lane.location.line for lane in found if lane)
    return Compared(key[1], f"{locations.short(key[0])}:{line}", cells, len(set(cells)) > 1)


def _cell(lane: Lane | None) -> str:
    """`2 graphs, cut at line 11, 3 recompilations`."""
    if lane is None:
        return "not compiled by itself"
    attempts = [attempt for piece in lane.pieces for attempt in piece.attempts]
    graphs = sum(one.outcome == "compiled" for one in attempts)
    again = sum(bool(one.failed_entry) for one in attempts)
    lines = sorted({cut.line or cut.location.line for cut in lane.cuts})
    parts = [f"{graphs} graph{'s' * (graphs != 1)}"]
    parts += [f"cut at line{'s' * (len(lines) != 1)} {', '.join(map(str, lines[:6]))}"] if lines else []
    parts += [f"compiled again {again}×"] if again else []
    parts += [f"{lane.eager} in plain Python"] if lane.eager else []
    return ", ".join(parts)
