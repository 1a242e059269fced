"""The table of `matrix` as Markdown, for a comment or a committed table."""

from __future__ import annotations

from compile_doctor.clean import cleaned
from compile_doctor.matrix.result import Matrix
from compile_doctor.render.markdown_escape import inline, table
from compile_doctor.render.matrix import cause, columns, counts, facts, figures, notes

SIZE = 60_000
"""GitHub takes comments of up to 65,536 characters."""


@cleaned
def render(matrix: Matrix, verbosity: int = 0, colour: bool = False) -> str:
    names = columns(matrix)
    head = ("torch", *map(inline, names), "verdict", "peak", "time", "first cause")
    rows = []
    for cell in matrix.cells:
        word = f"**{cell.verdict}**" if cell.verdict in ("unhealthy", "inconclusive", "not-run") else cell.verdict
        values = (cell.torch, *(cell.values[name] for name in names))
        rows.append((*map(inline, values), word, *figures(cell), inline(cause(cell))))
    blocks = ["### compile-doctor matrix: " + " · ".join(inline(fact) for fact in facts(matrix))]
    blocks += [counts(matrix), table(head, rows, SIZE)]
    if found := notes(matrix):
        blocks.append("\n".join(f"- {inline(note)}" for note in found))
    return "\n\n".join(blocks) + "\n"
