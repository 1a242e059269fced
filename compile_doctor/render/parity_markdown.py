"""Parity as Markdown, for a comment or a committed table."""

from __future__ import annotations

from compile_doctor.clean import cleaned
from compile_doctor.parity.result import Cell, Parity
from compile_doctor.render.markdown_escape import inline, table
from compile_doctor.render.parity import columns, counts, facts, reasons, sections, verdict, where

SIZE = 60_000
"""GitHub takes comments of up to 65,536 characters."""


@cleaned
def render(parity: Parity, verbosity: int = 0, colour: bool = False) -> str:
    word, meaning = verdict(parity)
    blocks = ["### compile-doctor parity: " + " · ".join(inline(fact) for fact in facts(parity))]
    blocks.append(f"**{word}** {inline(meaning)} {inline(counts(parity))}")
    names = columns(parity)
    for section in sections(parity, merged=not verbosity):
        rows = [(inline(row.case), row.heads, *(_cell(cells) for cells in row.cells)) for row in section.rows]
        title = f"#### {section.dtype} {section.direction}"
        blocks.append(f"{title}\n\n" + table(("case", "heads", *names), rows, SIZE))
    for finding in parity.findings:
        blocks.append(
            f"**{finding.code} {inline(finding.name)}** {inline(finding.title)}: {inline(finding.message, 2000)}"
        )
    lines = [f"- {one.status}: {inline(where(one))}: {inline(one.text)}" for one in reasons(parity)]
    if lines:
        blocks.append("#### Why\n\n" + "\n".join(lines))
    blocks += [f"note: {inline(note)}" for note in parity.notes]
    return "\n\n".join(blocks) + "\n"


def _cell(cells: tuple[Cell, ...]) -> str:
    """The status, and the largest error with its tolerance if something was computed."""
    if not cells:
        return ""
    worst = max(cells, key=lambda cell: (cell.max_error or 0.0) / (cell.tolerance or 1.0))
    status = f"**{worst.word}**" if worst.word in ("FAIL", "KNOWN", "DRIFT") else worst.word
    if worst.max_error is None or worst.tolerance is None:
        return status
    return f"{status} {worst.max_error:.1e} / {worst.tolerance:.0e}"
