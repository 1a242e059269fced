"""What the guards cost, in the text report with `-v`: a line for each compilation, and the slowest guards of the first."""

from __future__ import annotations

from rich.console import Console

from compile_doctor.model.guards import TimedGuards
from compile_doctor.render.entries import one_line
from compile_doctor.report.report import Report
from compile_doctor.source import locations

SHOWN = 6
"""Compilations in the table."""


def guards_table(console: Console, report: Report, verbosity: int) -> None:
    """Prints nothing without `-v`, or if no guards were timed."""
    if not report.guards or not verbosity:
        return
    console.print("Guards, at each call of the function", style="bold")
    for one in report.guards[:SHOWN]:
        console.print(f"   {_line(one)}", soft_wrap=True)
    for guard in report.guards[0].cost.slowest[:3]:
        console.print(
            f"     {guard.microseconds:.1f} µs  {one_line(guard.guard or guard.source, 120)}",
            style="dim",
            soft_wrap=True,
        )
    if len(report.guards) > SHOWN:
        console.print(f"   and {len(report.guards) - SHOWN} more: --format json has all")
    console.print()


def _line(one: TimedGuards) -> str:
    cost = one.cost
    flushed = f", {one.flushed:,.0f} µs with flushed caches" if one.flushed else ""
    python = f", {cost.python} of them in Python" if cost.python else ""
    place = f"{locations.short(one.frame.file)}:{one.frame.line} {one.frame.function} [{cost.compile_id}]"
    return f"{place}  {cost.microseconds:,.1f} µs{flushed}: {cost.guards:,} guards{python}"
