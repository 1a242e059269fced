"""The table of `matrix` as text: a line for each cell, and the command that shows one of them in full."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.text import Text

from compile_doctor.clean import cleaned
from compile_doctor.matrix.result import Cell, Matrix
from compile_doctor.render.console import make_console, printed
from compile_doctor.render.entries import cut
from compile_doctor.render.matrix import cause, columns, counts, facts, figures, notes, shown_folder

_STYLES = {
    "unhealthy": "red",
    "inconclusive": "yellow",
    "not-run": "yellow",
    "uncompiled": "dim",
    "healthy": "green",
}
_LEAST = 24
"""Columns for the cause, however narrow the terminal is."""


@cleaned
def render(matrix: Matrix, verbosity: int = 0, colour: bool = False) -> str:
    """`-v` shows reasons and causes in full, below their line."""
    console = make_console(colour)
    console.print(" · ".join(facts(matrix)), soft_wrap=True)
    console.print()
    names = columns(matrix)
    head = ("torch", *names, "verdict", "peak", "time", "first cause")
    rows = [(cell.torch, *(cell.values[name] for name in names), cell.verdict, *figures(cell)) for cell in matrix.cells]
    widths = [max(map(len, column)) for column in zip(head, *((*row, "") for row in rows))][:-1]
    right = (len(head) - 3, len(head) - 2)
    console.print(_line(head, [*widths, 0], right), style="bold", soft_wrap=True)
    room = max(_LEAST, console.width - sum(widths) - 2 * len(widths))
    previous = ""
    for cell, row in zip(matrix.cells, rows):
        start = (row[0] if row[0] != previous else "", *row[1:])
        line = Text(_line(start, widths, right) + "  ")
        at = sum(widths[: len(names) + 1]) + 2 * (len(names) + 1)
        line.stylize(_STYLES[cell.verdict], at, at + len(cell.verdict))
        text = cause(cell)
        console.print(line + (text if verbosity else cut(text, room)), soft_wrap=True)
        if verbosity:
            for detail in _details(cell):
                for part in textwrap.wrap(detail, console.width - 6):
                    console.print(f"      {part}", style="dim", soft_wrap=True)
            for copied in (cell.command, cell.capture or cell.output):  # to copy, so never wrapped
                if copied:
                    console.print(f"      {copied}", style="dim", soft_wrap=True)
        previous = row[0]
    console.print()
    console.print(counts(matrix), soft_wrap=True)
    for note in notes(matrix):
        for part in textwrap.wrap(note, console.width - 2):
            console.print(f"  {part}", style="dim", soft_wrap=True)
    shown = next((cell for cell in matrix.cells if cell.capture and cell.cause), None)
    if shown is not None:
        console.print(f"One cell in full: compile-doctor report {shown_folder(shown)}", style="dim", soft_wrap=True)
    return printed(console)


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[int]) -> str:
    parts = [f"{c:>{w}}" if n in right else f"{c:<{w}}" for n, (c, w) in enumerate(zip(cells, widths))]
    return "  ".join(parts)


def _details(cell: Cell) -> list[str]:
    found = [cell.reason] if cell.reason else []
    if cell.cause:
        found += [cell.cause.title, *cell.cause.fix.splitlines()[:1]]
    return [*found, f"ran on {cell.node}" if cell.node else ""]
