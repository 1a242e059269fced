"""Parity as text: the verdict, one table per dtype and direction, and the reasons, each once.

The tables are written by hand: rich.table would cut or wrap the cells of a row that is wider than the terminal.
"""

from __future__ import annotations

import textwrap

from rich.console import Console
from rich.text import Text

from compile_doctor.clean import cleaned
from compile_doctor.model.findings import Finding
from compile_doctor.parity.result import Cell, Parity
from compile_doctor.render.console import make_console, printed
from compile_doctor.render.parity import columns, counts, facts, reasons, sections, verdict, where

SHOWN = 12
"""Reasons in the short report."""
_COLOURS = {
    "FAIL": "red",
    "KNOWN": "magenta",
    "DRIFT": "yellow",
    "PASS": "green",
    "UNSUPPORTED": "dim",
    "N/A": "dim",
    "INCONCLUSIVE": "yellow",
}
_WIDTH = 12


@cleaned
def render(parity: Parity, verbosity: int = 0, colour: bool = False) -> str:
    """`-v` shows a row for each kind of heads, every figure and all reasons."""
    console = make_console(colour)
    console.print(" · ".join(facts(parity)), soft_wrap=True)
    word, meaning = verdict(parity)
    console.print()
    console.print(Text(f"{word}   ", style=f"bold {_COLOURS[word]}") + Text(meaning), soft_wrap=True)
    console.print()
    _tables(console, parity, verbosity)
    for finding in parity.findings:
        _finding(console, finding, console.width)
    _reasons(console, parity, verbosity, console.width)
    for note in parity.notes:
        console.print(f"note: {note}", soft_wrap=True)
    console.print(counts(parity), soft_wrap=True)
    if not verbosity and parity.cells:
        console.print("Every figure: -v     For machines: --format json", style="dim")
    return printed(console)


def _tables(console: Console, parity: Parity, verbosity: int) -> None:
    names = columns(parity)
    left = max([len("causal"), *(len(cell.case) for cell in parity.cells)])
    many = any(cell.heads for cell in parity.cells)
    for section in sections(parity, merged=not verbosity):
        title = f"{section.dtype} {section.direction}"
        pad = left + (13 if many else 1)
        wide = max([_WIDTH, *(len(name.partition("-")[2]) + 1 for name in names)])
        tops = [name.partition("-")[0] if "-" in name else "" for name in names]
        if any(tops):
            console.print(" " * pad + "".join(f"{top:<{wide}}" for top in tops), style="bold", soft_wrap=True)
        heads = "".join(f"{name.partition('-')[2] or name:<{wide}}" for name in names)
        console.print(f"{title:<{pad}}" + heads, style="bold", soft_wrap=True)
        previous = ""
        for row in section.rows:
            line = Text(f"{row.case if row.case != previous else '':<{left}} " + (f"{row.heads:<12}" if many else ""))
            for cells in row.cells:
                line += _cell(cells, verbosity, wide)
            console.print(line, soft_wrap=True)
            previous = row.case
        console.print()


def _cell(cells: tuple[Cell, ...], verbosity: int, wide: int) -> Text:
    if not cells:
        return Text(" " * wide)
    status = cells[0].word
    errors = [cell.max_error for cell in cells if cell.max_error is not None]
    figure = f" {max(errors):.0e}" if errors and (verbosity or status == "DRIFT") else ""
    return Text(f"{status + figure:<{wide}}", style=_COLOURS[status])


def _reasons(console: Console, parity: Parity, verbosity: int, width: int) -> None:
    found = reasons(parity)
    shown = found if verbosity else found[:SHOWN]
    for reason in shown:
        lines = [line for text in (where(reason), reason.text) for line in textwrap.wrap(text, width - 13)]
        console.print(Text(f"{reason.status:<12}", style=_COLOURS[reason.status]) + Text(lines[0]), soft_wrap=True)
        for line in lines[1:]:
            console.print(" " * 12 + line, soft_wrap=True)
    if len(found) > len(shown):
        console.print(f"and {len(found) - len(shown)} more reasons   (-v shows all)")
    if found:
        console.print()


def _finding(console: Console, finding: Finding, width: int) -> None:
    place = f"  {finding.location.file}:{finding.location.line}" if finding.location else ""
    console.print(Text(f"{finding.code} {finding.name}{place}", style="bold"), soft_wrap=True)
    for label, text in (("", finding.title), ("", finding.message), ("Fix    ", finding.fix)):
        for number, line in enumerate(text.splitlines() if text else ()):
            lead = label if number == 0 else " " * len(label)
            for piece in [line] if label else textwrap.wrap(line, width - 4):
                console.print(f"   {lead}{piece}", soft_wrap=True)
    console.print()
