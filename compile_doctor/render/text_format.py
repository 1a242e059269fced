"""The report as text: the verdict first, then the few things to do, then the figures."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from compile_doctor.clean import cleaned
from compile_doctor.gate.outcome import Gate, Outcome
from compile_doctor.model.findings import Finding
from compile_doctor.render import rank_table
from compile_doctor.render.attention_table import attention_table
from compile_doctor.render.changes import grouped
from compile_doctor.render.compile_time import compile_time_table
from compile_doctor.render.consequence import consequence, figures
from compile_doctor.render.console import make_console, printed, rows
from compile_doctor.render.finding_text import INDENT, Line, in_full, listing, wrapped
from compile_doctor.render.guards_table import guards_table
from compile_doctor.render.trial import trial_table
from compile_doctor.report.by_rank import RankTable
from compile_doctor.report.relative import relative
from compile_doctor.report.report import Report

SHOWN = 5
"""Findings in the short report."""
FIRST_SCREEN = 25
"""Lines of the short report: the first finding gets what the other parts leave, but at least its cause and its fix."""
NARROW, MORE = 100, 8
"""Below this width, the same text needs more lines."""
_COLOURS = {"healthy": "green", "unhealthy": "red", "inconclusive": "yellow"}


@cleaned
def render(report: Report, verbosity: int = 0, colour: bool = False) -> str:
    report = relative(report)
    console = make_console(colour)
    above = _apart(console, _head, report, verbosity)
    console.file.write(above)
    _body(console, report, verbosity, rows(above, console.width))
    return printed(console)


@cleaned
def render_without_verdict(report: Report) -> str:
    """For a test that expects something else than a verdict: HEALTHY above its failure would be confusing."""
    console = make_console(False)
    _body(console, relative(report), 0)
    return printed(console)


@cleaned
def findings_in_full(report: Report, most: int) -> list[str]:
    """The text of each of the first findings, as `-v` shows it."""
    report = relative(report)
    console = make_console(False)
    texts = []
    for number, finding in enumerate(report.findings[:most], 1):
        console.file = io.StringIO()
        _print(console, in_full(report, number, finding, console, verbosity=1))
        texts.append(printed(console).rstrip("\n") + "\n")
    return texts


def _body(console: Console, report: Report, verbosity: int, above: int = 0) -> None:
    before, after = _apart(console, _missing, report, verbosity), _apart(console, _rest, report, verbosity)
    console.file.write(before)
    if verbosity:
        fixes: dict[str, int] = {}
        for number, finding in enumerate(report.findings, 1):
            first = fixes.setdefault(finding.fix, number)
            fix = f"as for {first}" if first != number else None
            _print(console, in_full(report, number, finding, console, verbosity=verbosity, fix=fix))
    elif report.findings:
        listed = _listed(console, report)
        lines = FIRST_SCREEN + MORE * (console.width < NARROW)
        room = lines - above - rows(before + listed + after, console.width) - 1
        rest = "compile-doctor explain 1 shows the rest" if report.recallable else "-v shows the rest"
        console.file.write(listed)
        one = in_full(report, 1, report.findings[0], console, listed=bool(listed), room=room, rest=rest)
        _print(console, one)
    console.file.write(after)


def _apart(console: Console, part: Callable[[Console, Report, int], None], report: Report, verbosity: int) -> str:
    """What a part of the report prints: the finding gets the lines that are left."""
    page, console.file = console.file, io.StringIO()
    try:
        part(console, report, verbosity)
        return console.file.getvalue()
    finally:
        console.file = page


def _print(console: Console, lines: Iterable[Line]) -> None:
    for line, style in lines:
        console.print(line, style=style, soft_wrap=True)
    console.print()


def _listed(console: Console, report: Report) -> str:
    """A line for each finding; nothing for a single one."""

    def part(console: Console, report: Report, verbosity: int) -> None:
        hidden = report.findings[SHOWN:]
        lines = list(listing(report.findings[:SHOWN], console))
        _print(console, [*lines, *([(_hidden(hidden), None)] if hidden else [])])

    return _apart(console, part, report, 0) if len(report.findings) > 1 else ""


def _rest(console: Console, report: Report, verbosity: int) -> None:
    """What follows the findings."""
    attention_table(console, report, verbosity)
    compile_time_table(console, report, verbosity)
    guards_table(console, report, verbosity)
    if report.ranks:
        _ranks(console, report.ranks, verbosity)
    active = [one.id for one in report.patches if one.state == "active"]
    if active:
        console.print("Active recipes: " + ", ".join(active), soft_wrap=True)
    for one in report.patches:
        if one.state in ("not-affected", "disabled"):  # refused, too late and failed are findings
            console.print(f"Recipe not applied: {one.id}: {one.reason}", soft_wrap=True, style="yellow")
    if report.trial:
        trial_table(console, report.trial)
    if verbosity:
        _details(console, report)
    elif report.disagreements:
        console.print("torch's trace and its counters disagree on a count: -v shows which", style="yellow")
    lines = list(joined(figures(report, bool(verbosity)), " · ", console.width))
    if len(lines) > 1 and not verbosity:  # a line more for the phase that took most is a line less for the first fix
        lines = list(joined(figures(report, every=False, phase=False), " · ", console.width))
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)
    if report.findings:
        for line in joined(_next(report, verbosity), "     ", console.width):
            console.print(line, style="dim", soft_wrap=True)


def _next(report: Report, verbosity: int) -> list[str]:
    """What to type for more."""
    code, several = report.findings[0].code, len(report.findings) > 1
    hints = []
    if report.recallable and several and not verbosity:
        hints.append(f"Explain: compile-doctor explain 2 or {code}")
    else:
        hints.append(f"Explain: compile-doctor explain {code}")
    hints += [] if verbosity else ["Show all: -v"]
    return hints + (["Keep the evidence: --capture DIR"] if report.temporary else [])


def joined(parts: Iterable[str], mark: str, width: int) -> Iterator[str]:
    """The parts in as few lines as there are, broken only between two of them."""
    line = ""
    for part in parts:
        if line and cell_len(line + mark + part) > width:
            yield line
            line = part
        else:
            line += mark + part if line else part
    if line:
        yield line


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
            _print(console, lines)
        else:
            console.print(f"{number:<3}{change.text}", soft_wrap=True)
        if change.waived:
            console.print(f"{INDENT}waived: {change.waived}", soft_wrap=True)
    if verbosity and outcome.report is not None:
        console.print()
        console.file.write(render(outcome.report, verbosity) + "\n")


def _head(console: Console, report: Report, verbosity: int) -> None:
    env = report.environment
    torch = f"torch {env['torch']}" if env.get("torch") else ""
    parts = [
        _shortened(report.target),
        report.convention,
        torch,
        str(env.get("gpu") or env.get("device") or ""),
        str(env.get("backend") or ""),
    ]
    console.print(" · ".join(part for part in parts if part), style="dim", soft_wrap=True)
    console.print()
    verdict = Text(f"{report.verdict.upper()}   ", style=f"bold {_COLOURS[report.verdict]}")
    console.print(verdict + Text(consequence(report), style="bold"))
    console.print()


def _missing(console: Console, report: Report, verbosity: int) -> None:
    """The missing evidence, except for what the verdict's own line states."""
    missing = [text for text in report.missing if text.lower().strip(".") not in report.reason.lower()]
    shown = missing if verbosity else missing[:SHOWN]
    lines = [line for text in shown for line in wrapped(console, "Missing  ", text)]
    if len(shown) < len(missing):
        lines += wrapped(console, "Missing  ", f"and {len(missing) - len(shown)} more: -v")
    if lines:
        _print(console, lines)


def _shortened(target: str) -> str:
    relative_path = os.path.relpath(target) if os.path.isabs(target) else target
    return target if relative_path.startswith("..") else relative_path


def _ranks(console: Console, table: RankTable, verbosity: int) -> None:
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


def _hidden(hidden: tuple[Finding, ...]) -> str:
    counts: dict[str, int] = {}
    for finding in hidden:
        counts[f"{finding.code} {finding.name}"] = counts.get(f"{finding.code} {finding.name}", 0) + 1
    return (
        f"and {len(hidden)} more: "
        + ", ".join(f"{count}× {name}" for name, count in counts.items())
        + "   (-v shows all)"
    )


def _compared(report: Report) -> Iterator[str]:
    """A line per comparison, then how they were made."""
    for one in report.numerics:
        error = f" error {one.max_error:.2g}" if one.max_error is not None else ""
        allowed = f" tolerance {one.tolerance:.2g}" if one.tolerance is not None else ""
        reason = f"  {one.reason}" if one.reason else ""
        yield f"{one.status:<6} {one.case}, {one.direction}, {one.implementation}, {one.dtype}:{error}{allowed}{reason}"
    yield from dict.fromkeys(note for one in report.numerics for note in one.notes)


def _details(console: Console, report: Report) -> None:
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
