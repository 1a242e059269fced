"""Parity as one HTML file: the verdict, a table per dtype and direction, and the reasons, each once."""

from __future__ import annotations

from dataclasses import dataclass

from compile_doctor.clean import cleaned
from compile_doctor.parity.result import Cell, Parity
from compile_doctor.render.entries import cut
from compile_doctor.render.html import findings as cards
from compile_doctor.render.html.page import Page, Section, written
from compile_doctor.render.parity import columns, counts, facts, reasons, sections, verdict, where

ROWS = 2_000
"""Rows of one table."""


@dataclass(frozen=True)
class Shown:
    """One cell of a table."""

    word: str
    tone: str
    figures: str


@cleaned
def render(parity: Parity, verbosity: int = 0, colour: bool = False) -> str:
    word, meaning = verdict(parity)
    names = columns(parity)
    made = []
    for number, section in enumerate(sections(parity, merged=not verbosity), 1):
        rows = [(row.case, row.heads, [_cell(cells) for cells in row.cells]) for row in section.rows[:ROWS]]
        data = (f"{section.dtype} {section.direction}", names, rows, len(section.rows) - len(rows))
        made.append(Section(f"table-{number}", data[0], "parity.html", data))
    if parity.findings:
        found = cards.of_report(parity.findings, cards.Known(), "")
        made.append(Section("findings", "Findings", "findings.html", found, count=len(parity.findings)))
    why = [(one.status, f"{where(one)}: {cut(one.text, 600)}") for one in reasons(parity)[:ROWS]]
    if why:
        made.append(Section("reasons", "Why", "details.html", [("", why)], count=len(why)))
    if parity.notes:
        made.append(Section("notes", "Notes", "details.html", [("", [("", note) for note in parity.notes])]))
    tone = {"PASS": "good", "FAIL": "bad"}.get(word, "open")
    return written(Page(f"parity {parity.subject}", word, tone, meaning, facts(parity)[1:], made, (counts(parity),)))


def _cell(cells: tuple[Cell, ...]) -> Shown | None:
    if not cells:
        return None
    worst = max(cells, key=lambda cell: (cell.max_error or 0.0) / (cell.tolerance or 1.0))
    figures = ""
    if worst.max_error is not None:
        figures = f"{worst.max_error:.0e}"
        if worst.tolerance is not None:
            figures += f" of {worst.tolerance:.0e}"
    return Shown(
        worst.word, {"PASS": "good", "FAIL": "bad", "N/A": "", "UNSUPPORTED": ""}.get(worst.word, "open"), figures
    )
