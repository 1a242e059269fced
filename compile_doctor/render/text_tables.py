"""Parts of the text report behind the findings: ranks, comparisons, and what `-v` adds."""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len
from rich.console import Console

from compile_doctor.render import rank_table
from compile_doctor.render.finding_text import INDENT
from compile_doctor.report.by_rank import RankTable
from compile_doctor.report.report import Report


def ranks_table(console: Console, table: RankTable, verbosity: int) -> None:
    """A column of figures for each set of equal ranks; a column in which nothing was seen is left out."""
    lines = [rank_table.HEAD, *rank_table.rows(table, None if verbosity else rank_table.SHOWN)]
    kept = [
        n
        for n in range(len(rank_table.HEAD))
        if n < 4 or n == 5 or any(line[n] not in ("0", "–", "ended", "unknown") for line in lines[1:])
    ]
    widths = [max(cell_len(line[n]) for line in lines) for n in kept]
    console.print(f"Ranks  {rank_table.heading(table)}", style="bold", soft_wrap=True)
    for number, line in enumerate(lines):
        text = "  ".join(f"{line[n]:<{width}}" for n, width in zip(kept, widths))
        console.print(INDENT + text.rstrip(), style="dim" if not number else None, soft_wrap=True)
    hidden = len(table.rows) - (len(lines) - 1)
    if hidden > 0:
        console.print(f"{INDENT}and {hidden} more rows: -v", soft_wrap=True)
    console.print()


def _compared(report: Report) -> Iterator[str]:
    """A line per comparison, then how they were made."""
    for one in report.numerics:
        error = f" error {one.max_error:.2g}" if one.max_error is not None else ""
        allowed = f" tolerance {one.tolerance:.2g}" if one.tolerance is not None else ""
        reason = f"  {one.reason}" if one.reason else ""
        yield f"{one.status:<6} {one.case}, {one.direction}, {one.implementation}, {one.dtype}:{error}{allowed}{reason}"
    yield from dict.fromkeys(note for one in report.numerics for note in one.notes)


def details(console: Console, report: Report) -> None:
    for title, lines in (
        ("Numerics", tuple(_compared(report))),
        ("Sources disagree", report.disagreements),
        ("Not recorded", tuple(f"{part}: {why}" for part, why in report.not_recorded.items())),
        ("Not checked", tuple(f"{code}: {reason}" for code, reason in report.skipped_checks)),
        ("Unknown trace records", tuple(f"{count}× {kind}" for kind, count in report.unknown_events.items())),
        ("Notes", report.notes),
    ):
        if lines:
            console.print(title, style="bold")
            for line in lines:
                console.print(f"{INDENT}{line}", soft_wrap=True)
            console.print()
