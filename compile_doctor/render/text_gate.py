"""What `check` prints: a line for each target, and what got worse."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from compile_doctor.clean import cleaned
from compile_doctor.gate.outcome import Gate, Outcome
from compile_doctor.render.changes import grouped
from compile_doctor.render.console import make_console, printed
from compile_doctor.render.finding_text import INDENT, in_full, wrapped
from compile_doctor.render.text_lines import print_lines
from compile_doctor.render.text_report import render
from compile_doctor.report.relative import relative

_STATUS = {"regression": "red", "inconclusive": "yellow", "pass": "green", "better": "green"}


@cleaned
def render_gate(gate: Gate, verbosity: int = 0, colour: bool = False) -> str:
    """A line per target, and the findings that fail as `diagnose` shows them. `-v` shows each target's full report."""
    console = make_console(colour)
    width = min(max((len(outcome.name) for outcome in gate.outcomes), default=0), console.width // 2)
    for outcome in gate.outcomes:
        line = Text(f"{outcome.name:<{width}}  ") + Text(
            f"{outcome.status:<12}", style=f"bold {_STATUS.get(outcome.status, 'yellow')}"
        )
        console.print(line + Text("  " + _after(outcome)), soft_wrap=True)
    for outcome in gate.outcomes:
        _gate_details(console, outcome, verbosity)
    for note in gate.notes:
        console.print(f"note: {note}", soft_wrap=True)
    worse, other = (
        [outcome for outcome in gate.outcomes if outcome.hint and (outcome.status == "regression") is regression]
        for regression in (True, False)
    )
    if worse:
        console.print(
            f"If this is intended: {_together(worse)}   or add a waiver for one finding, until a date", soft_wrap=True
        )
    if other:
        console.print(f"Next: {_together(other)}", soft_wrap=True)
    return printed(console)


def _together(outcomes: Sequence[Outcome]) -> str:
    """One command for all targets: the hints are the same command with different names."""
    command = outcomes[0].hint.removesuffix(outcomes[0].name).rstrip()
    return " ".join([command, *(outcome.name for outcome in outcomes)])


def _after(outcome: Outcome) -> str:
    """The reason if it is not a pass, else figures, without times (see `-v`): the same code gives the same bytes."""
    parts = [outcome.reason] if outcome.reason else []
    parts += [change.text for change in outcome.better] if not outcome.reason else []
    if outcome.report is not None and outcome.status in ("pass", "better"):
        summary = outcome.report.summary
        breaks = f"{summary['graph_breaks']} graph break{'s' * (summary['graph_breaks'] != 1)}"
        parts.append(f"{summary['graphs']} graph{'s' * (summary['graphs'] != 1)}, {breaks}")
    return "; ".join(parts) + (" (from the cache)" if outcome.cached else "")


def _gate_details(console: Console, outcome: Outcome, verbosity: int) -> None:
    changes = [change for change in outcome.worse if verbosity or not change.waived]
    if changes:
        console.print()
        console.print(outcome.name, style="bold")
    report = relative(outcome.report) if outcome.report else None
    for number, (change, more) in enumerate(grouped(changes), 1):
        if change.finding is not None and report is not None:
            lines = in_full(report, number, change.finding, console, verbosity=verbosity)
            if more:
                lines += wrapped(console, "With it ", "; ".join(one.text for one in more))
            print_lines(console, lines)
        else:
            console.print(f"{number:<3}{change.text}", soft_wrap=True)
        if change.waived:
            console.print(f"{INDENT}waived: {change.waived}", soft_wrap=True)
    if verbosity and outcome.report is not None:
        console.print()
        console.file.write(render(outcome.report, verbosity) + "\n")
