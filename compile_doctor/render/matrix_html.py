"""The table of `matrix` as one HTML file, with the report of each cell that is not healthy."""

from __future__ import annotations

from compile_doctor.clean import cleaned
from compile_doctor.matrix.result import Cell, Matrix
from compile_doctor.render.entries import cut
from compile_doctor.render.html.page import Page, Section, written
from compile_doctor.render.html.report import sections
from compile_doctor.render.html.room import SIZE
from compile_doctor.render.matrix import cause, columns, counts, facts, figures, notes
from compile_doctor.report.relative import relative

REPORTS = 40
"""Cells whose report is part of the page."""
TONES = {"healthy": "good", "unhealthy": "bad", "uncompiled": ""}


@cleaned
def render(matrix: Matrix, verbosity: int = 0, colour: bool = False) -> str:
    names = columns(matrix)
    told = [
        (number, cell) for number, cell in enumerate(matrix.cells, 1) if cell.verdict not in ("healthy", "uncompiled")
    ]
    shown = {number for number, _ in told[:REPORTS]}
    rows = [
        (
            f"cell-{number}" if number in shown else "",
            (cell.torch, *(cell.values[name] for name in names)),
            cell.verdict,
            TONES.get(cell.verdict, "open"),
            figures(cell),
            cause(cell),
        )
        for number, cell in enumerate(matrix.cells, 1)
    ]
    made = [Section("cells", "Cells", "matrix.html", (("torch", *names), rows), count=len(matrix.cells))]
    made += [_cell(number, cell, names, SIZE / len(shown)) for number, cell in told[:REPORTS]]
    made.append(Section("notes", "Notes", "details.html", [("", [("", note) for note in notes(matrix)])]))
    verdicts = {cell.verdict for cell in matrix.cells}
    word = next((one for one in ("unhealthy", "inconclusive", "not-run") if one in verdicts), "healthy")
    tone = "bad" if word == "unhealthy" else "good" if matrix.exit_code == 0 else "open"
    if word == "healthy" and matrix.exit_code:
        word = "inconclusive"
    return written(Page(f"matrix {matrix.subject}", word, tone, counts(matrix), facts(matrix)[1:], made))


def _cell(number: int, cell: Cell, names: tuple[str, ...], size: float) -> Section:
    title = " · ".join([f"torch {cell.torch}", *(f"{name}={cell.values[name]}" for name in names)])
    inside = sections(relative(cell.report), f"cell-{number}-", 3, size=size) if cell.report else ()
    places = (("command", cell.command), ("evidence", cell.capture), ("output", cell.output), ("ran on", cell.node))
    told = [("reason", cell.reason), *places]
    return Section(
        f"cell-{number}", title, "cell.html", ([(name, cut(text, 600)) for name, text in told if text], inside)
    )
