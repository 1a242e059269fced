"""What the formats of `matrix` share: which columns there are, and the words in them."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from dataclasses import replace

from compile_doctor.matrix.result import VERDICTS, Cell, Matrix
from compile_doctor.model.findings import Location
from compile_doctor.model.sizes import human
from compile_doctor.render.bench_text import seconds
from compile_doctor.render.entries import at, label, one_line

DEEP = 3
"""A path with more names than this is shortened."""
_WORDS = {"not-run": "not run"}


def columns(matrix: Matrix) -> tuple[str, ...]:
    """The axes with more than one value."""
    return tuple(name for name in matrix.axes if len({cell.values[name] for cell in matrix.cells}) > 1)


def facts(matrix: Matrix) -> list[str]:
    """The target, what is the same in all cells, and the device."""
    varied, first = columns(matrix), matrix.cells[0]
    same = [f"{name}={first.values[name]}" for name in matrix.axes if name not in varied]
    reports = [cell.report for cell in matrix.cells if cell.report]
    devices = {str(one.environment.get("gpu") or one.environment.get("device") or "") for one in reports} - {""}
    return [matrix.subject, *same, *sorted(devices)]


def figures(cell: Cell) -> tuple[str, str]:
    """Peak memory and time; a dash for what was not measured."""
    return human(cell.peak_bytes) if cell.peak_bytes is not None else "–", seconds(cell.seconds)


def cause(cell: Cell) -> str:
    """`CD301 flex-dense-fallback  model.py:41 in Block.forward`; without a finding, the reason for the verdict."""
    found = cell.cause
    if found is None or cell.verdict in ("not-run", "uncompiled"):
        return one_line(cell.reason)
    more = len(cell.report.findings) - 1 if cell.report else 0
    place = _place(found.location) or one_line(found.title)
    return f"{label(found)}  {place}" + (f"  (+{more})" if more else "")


def _place(location: Location | None) -> str:
    """As in a report, but a file in deep folders by its last two names: a table has no room."""
    parts = location.file.split("/") if location else []
    return at(replace(location, file="/".join(["…", *parts[-2:]])) if location and len(parts) > DEEP else location)


def counts(matrix: Matrix) -> str:
    """`16 cells: 4 unhealthy, 12 healthy`."""
    found = Counter(cell.verdict for cell in matrix.cells)
    parts = [f"{found[one]} {_WORDS.get(one, one)}" for one in VERDICTS if found[one]]
    return f"{len(matrix.cells)} cell{'s' * (len(matrix.cells) != 1)}: {', '.join(parts)}"


def notes(matrix: Matrix) -> list[str]:
    """The meaning of the figures that are shown, and how to go on."""
    found = []
    if any(cell.peak_bytes is not None for cell in matrix.cells):
        found.append("peak: memory of one call with its output; measured if there is attention")
    if any(cell.seconds is not None for cell in matrix.cells):
        found.append("time: the quickest call after the first, to see an order of magnitude; `bench` measures")
    if any(cell.verdict == "uncompiled" for cell in matrix.cells):
        found.append("uncompiled: compile=off, so nothing was compiled and the target ran without torch.compile")
    kept = sum(cell.resumed for cell in matrix.cells)
    if kept:
        found.append(f"{kept} of {len(matrix.cells)} cells are from an earlier run (--resume)")
    if matrix.interrupted:
        found.append("interrupted: the same command with --resume goes on with the cells that are missing")
    return [*found, *matrix.notes]


def shown_folder(cell: Cell) -> str:
    """The capture as an argument of `report`, relative if it is below the working directory."""
    inside = os.path.relpath(cell.capture)
    return shlex.quote(cell.capture if inside.startswith("..") else inside)
