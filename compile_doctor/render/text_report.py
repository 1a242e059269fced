"""The report as text: the verdict first, then the few things to do, then the figures."""

from __future__ import annotations

import io
from collections.abc import Callable

from rich.console import Console

from compile_doctor.clean import cleaned
from compile_doctor.model.findings import Finding
from compile_doctor.render.attention_table import attention_table
from compile_doctor.render.compile_time import compile_time_table
from compile_doctor.render.consequence import figures
from compile_doctor.render.console import make_console, printed, rows
from compile_doctor.render.finding_text import in_full, listing
from compile_doctor.render.guards_table import guards_table
from compile_doctor.render.text_lines import joined, print_lines
from compile_doctor.render.text_tables import details, ranks_table
from compile_doctor.render.text_top import SHOWN, head, missing_evidence
from compile_doctor.render.trial import trial_table
from compile_doctor.report.relative import relative
from compile_doctor.report.report import Report

FIRST_SCREEN = 25
"""Lines of the short report: the first finding gets what the other parts leave, but at least its cause and its fix."""

NARROW, MORE = 100, 8
"""Below this width, the same text needs more lines."""


@cleaned
def render(report: Report, verbosity: int = 0, colour: bool = False) -> str:
    report = relative(report)
    console = make_console(colour)
    above = _apart(console, head, report, verbosity)
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
        print_lines(console, in_full(report, number, finding, console, verbosity=1))
        texts.append(printed(console).rstrip("\n") + "\n")
    return texts


def _body(console: Console, report: Report, verbosity: int, above: int = 0) -> None:
    before, after = _apart(console, missing_evidence, report, verbosity), _apart(console, _rest, report, verbosity)
    console.file.write(before)
    if verbosity:
        fixes: dict[str, int] = {}
        for number, finding in enumerate(report.findings, 1):
            first = fixes.setdefault(finding.fix, number)
            fix = f"as for {first}" if first != number else None
            print_lines(console, in_full(report, number, finding, console, verbosity=verbosity, fix=fix))
    elif report.findings:
        listed = _listed(console, report)
        lines = FIRST_SCREEN + MORE * (console.width < NARROW)
        room = lines - above - rows(before + listed + after, console.width) - 1
        rest = "compile-doctor explain 1 shows the rest" if report.recallable else "-v shows the rest"
        console.file.write(listed)
        one = in_full(report, 1, report.findings[0], console, listed=bool(listed), room=room, rest=rest)
        print_lines(console, one)
    console.file.write(after)


def _apart(console: Console, part: Callable[[Console, Report, int], None], report: Report, verbosity: int) -> str:
    """What a part of the report prints: the finding gets the lines that are left."""
    page, console.file = console.file, io.StringIO()
    try:
        part(console, report, verbosity)
        return console.file.getvalue()
    finally:
        console.file = page


def _listed(console: Console, report: Report) -> str:
    """A line for each finding; nothing for a single one."""

    def part(console: Console, report: Report, verbosity: int) -> None:
        hidden = report.findings[SHOWN:]
        lines = list(listing(report.findings[:SHOWN], console))
        print_lines(console, [*lines, *([(_hidden(hidden), None)] if hidden else [])])

    return _apart(console, part, report, 0) if len(report.findings) > 1 else ""


def _rest(console: Console, report: Report, verbosity: int) -> None:
    """What follows the findings."""
    attention_table(console, report, verbosity)
    compile_time_table(console, report, verbosity)
    guards_table(console, report, verbosity)
    if report.ranks:
        ranks_table(console, report.ranks, verbosity)
    active = [one.id for one in report.patches if one.state == "active"]
    if active:
        console.print("Active recipes: " + ", ".join(active), soft_wrap=True)
    for one in report.patches:
        if one.state in ("not-affected", "disabled"):  # refused, too late and failed are findings
            console.print(f"Recipe not applied: {one.id}: {one.reason}", soft_wrap=True, style="yellow")
    if report.trial:
        trial_table(console, report.trial)
    if verbosity:
        details(console, report)
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


def _hidden(hidden: tuple[Finding, ...]) -> str:
    counts: dict[str, int] = {}
    for finding in hidden:
        counts[f"{finding.code} {finding.name}"] = counts.get(f"{finding.code} {finding.name}", 0) + 1
    return (
        f"and {len(hidden)} more: "
        + ", ".join(f"{count}× {name}" for name, count in counts.items())
        + "   (-v shows all)"
    )
