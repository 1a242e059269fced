"""The figures of each rank, as rows: ranks with the same figures share one."""

from __future__ import annotations

from collections.abc import Sequence

from compile_doctor.model.ranks import named, ranges
from compile_doctor.report.by_rank import RankRow, RankTable

HEAD = ("rank", "graphs", "graph breaks", "recompilations", "not compiled", "compile", "caches", "end")
SHOWN = 8
"""Rows in the short report."""
LONGEST = 28
"""Characters of a list of ranks."""


def rows(table: RankTable, most: int | None = None) -> list[tuple[str, ...]]:
    """One row of texts for each set of equal ranks; those with the most ranks first, of equal ones the lowest rank."""
    ordered = sorted(
        table.rows, key=lambda row: (-len(row.ranks), row.ranks[0]) if len(table.rows) > SHOWN else (0, row.ranks[0])
    )
    return [_row(row) for row in ordered[:most]]


def _row(row: RankRow) -> tuple[str, ...]:
    figures = row.figures
    names = ("graphs", "graph_breaks", "recompiles", "frames_skipped")
    counts = tuple(f"{figures[name]:,}" if figures else "–" for name in names)
    hits, misses = row.cache
    caches = f"{hits} hit{'s' * (hits != 1)}, {misses} missed" if hits or misses else "–"
    return (_ranks(row.ranks), *counts, _seconds(row), caches, row.ended)


def _ranks(numbers: Sequence[int]) -> str:
    text = ranges(numbers)
    if len(text) > LONGEST:
        text = f"{len(numbers):,} ranks: {', '.join(text.split(', ')[:2])}, …"
    return text


def _seconds(row: RankRow) -> str:
    low, middle, high = row.seconds
    if low == high:
        return f"{low:.1f} s"
    return f"{low:.1f}, median {middle:.1f}, most {high:.1f} s (rank {row.slowest})"


def heading(table: RankTable) -> str:
    """`2 ranks on node0`, `ranks 0-7 of 16 on node0, node1`."""
    count = len(table.seen)
    which = f"{count:,} ranks" if count == table.world_size else f"{named(table.seen, 0)} of {table.world_size:,}"
    hosts = f"{len(table.hosts)} machines" if len(table.hosts) > 3 else ", ".join(table.hosts)
    return which + (f" on {hosts}" if hosts else "")
