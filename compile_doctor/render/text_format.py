"""The report as text: the verdict first, then the few things to do, then the figures."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from compile_doctor.capture.trace.read import function_name
from compile_doctor.clean import cleaned
from compile_doctor.gate.outcome import Gate, Outcome
from compile_doctor.model.findings import Finding
from compile_doctor.render import rank_table
from compile_doctor.render.attention_table import attention_table
from compile_doctor.render.compile_time import compile_time_table
from compile_doctor.render.consequence import consequence, figures
from compile_doctor.render.console import LONGEST, make_console, printed
from compile_doctor.render.entries import cut
from compile_doctor.render.trial import trial_table
from compile_doctor.report.by_rank import RankTable
from compile_doctor.report.make import Report, relative
from compile_doctor.source import locations

SHOWN = 5
"""Findings in the short report."""
_COLOURS = {
    "healthy": "green",
    "unhealthy": "red",
    "inconclusive": "yellow",
    "error": "red",
    "warning": "yellow",
    "info": "cyan",
}
_INDENT = "   "


@cleaned
def render(report: Report, verbosity: int = 0, colour: bool = False) -> str:
    report = relative(report)
    console = make_console(colour)
    _head(console, report)
    _body(console, report, verbosity)
    return printed(console)


@cleaned
def render_without_verdict(report: Report) -> str:
    """For a test that expects something else than a verdict: HEALTHY above its failure would be confusing."""
    console = make_console(False)
    _body(console, relative(report), 0)
    return printed(console)


def _body(console: Console, report: Report, verbosity: int) -> None:
    _missing(console, report, verbosity)
    shown = report.findings if verbosity else report.findings[:SHOWN]
    fixes: dict[str, int] = {}
    for number, finding in enumerate(shown, 1):
        _finding(console, report, number, finding, verbosity, fixes.setdefault(finding.fix, number))
    hidden = report.findings[len(shown) :]
    if hidden:
        console.print(_hidden(hidden), highlight=False)
        console.print()
    attention_table(console, report, verbosity)
    compile_time_table(console, report, verbosity)
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
    console.print(" · ".join(figures(report)), highlight=False, soft_wrap=True)
    if report.findings:
        hints = [f"Explain: compile-doctor explain {report.findings[0].code}"]
        hints += [] if verbosity else ["Show all: -v"]
        hints += ["Keep the evidence: --capture DIR"] if report.temporary else []
        console.print("     ".join(hints), style="dim")


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
        breaks = f"{summary['graph_breaks']} break site{'s' * (summary['graph_breaks'] != 1)}"
        parts.append(f"{summary['graphs']} graph{'s' * (summary['graphs'] != 1)}, {breaks}")
    return "; ".join(parts) + (" (from the cache)" if outcome.cached else "")


def _gate_details(console: Console, outcome: Outcome, verbosity: int) -> None:
    changes = [change for change in outcome.worse if verbosity or not change.waived]
    if changes:
        console.print()
        console.print(outcome.name, style="bold")
    report = relative(outcome.report) if outcome.report else None
    for number, change in enumerate(changes, 1):
        if change.finding is not None and report is not None:
            _finding(console, report, number, change.finding, verbosity, number)
        else:
            console.print(f"{number:<3}{change.text}", soft_wrap=True)
        if change.waived:
            console.print(f"{_INDENT}waived: {change.waived}", soft_wrap=True)
    if verbosity and outcome.report is not None:
        console.print()
        console.file.write(render(outcome.report, verbosity) + "\n")


def _head(console: Console, report: Report) -> None:
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
    for text in shown:
        _wrapped(console, "Missing  ", text)
    if len(shown) < len(missing):
        _wrapped(console, "Missing  ", f"and {len(missing) - len(shown)} more: -v")
    if shown:
        console.print()


def _shortened(target: str) -> str:
    relative_path = os.path.relpath(target) if os.path.isabs(target) else target
    return target if relative_path.startswith("..") else relative_path


def _finding(console: Console, report: Report, number: int, finding: Finding, verbosity: int, fix_at: int) -> None:
    head = Text(f"{number:<3}")
    head.append(f"{finding.code} {finding.name}", style=f"bold {_COLOURS[finding.severity]}")
    if finding.severity != "error":
        head.append(f" ({finding.severity})", style=_COLOURS[finding.severity])
    if finding.location:
        place = f"{finding.location.file}:{finding.location.line} in {finding.location.function}"
        head.append(
            "  "
            + (
                place
                if finding.owner == "mine"
                else f"{locations.short(finding.location.file)}:{finding.location.line} in {finding.location.function} ({finding.owner})"
            )
        )
    console.print(head, soft_wrap=True)
    _code(console, report, finding)
    if finding.via:
        console.print(
            f"{_INDENT}called from {finding.via.file}:{finding.via.line}: {finding.via.snippet}", soft_wrap=True
        )
    _wrapped(console, "", finding.message)
    if finding.fix:
        _wrapped(console, "Fix    ", finding.fix if fix_at == number else f"as for {fix_at}")
    if finding.recipe:
        hint = "" if report.trial else "  (diagnose --try-recipes shows what it changes)"
        _wrapped(console, "Recipe ", finding.recipe + hint)
    cost = _cost(finding)
    if cost:
        _wrapped(console, "Cost   ", cost)
    if finding.facts.target_fails:
        _block(console, finding.evidence if verbosity else finding.evidence[-12:])
    elif verbosity:
        for line in finding.evidence:
            _wrapped(console, "Seen   ", line)
        _bytecode(console, report, finding)
    console.print()


def _code(console: Console, report: Report, finding: Finding) -> None:
    location = finding.location
    if location is None:
        return
    lines = locations.lines_of(report.sources.get(location.file, ""))
    if not 0 < location.line <= len(lines):
        return
    width = len(str(location.line))
    for number in (location.line - 1, location.line):
        if number < 1 or (number != location.line and not lines[number - 1].strip()):
            continue
        mark, style = (">", "bold") if number == location.line else (" ", "dim")
        console.print(
            f"{_INDENT}{mark} {number:>{width}} | {cut(lines[number - 1].rstrip(), console.width - 12)}",
            style=style,
            soft_wrap=True,
        )


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
        console.print(_INDENT + text.rstrip(), style="dim" if not number else None, soft_wrap=True)
    hidden = len(table.rows) - (len(lines) - 1)
    if hidden > 0:
        console.print(f"{_INDENT}and {hidden} more rows: -v", soft_wrap=True)
    console.print()


def _wrapped(console: Console, label: str, text: str) -> None:
    """Text after a label: one paragraph is wrapped, several lines are code and are not changed."""
    pad = _INDENT + " " * len(label)
    lines = cut(text.rstrip(), LONGEST).splitlines() or [""]
    if len(lines) == 1 and ("\t" in lines[0] or cell_len(lines[0]) > console.width - len(pad) - 1):
        lines = [piece.plain.rstrip() for piece in Text(lines[0]).wrap(console, console.width - len(pad) - 1)] or [""]
    for number, line in enumerate(lines):
        console.print((pad if number else _INDENT + label) + line.rstrip(), soft_wrap=True)


def _cost(finding: Finding) -> str:
    parts = []
    if finding.cost.graphs:
        parts.append(f"{finding.cost.graphs} extra graph{'s' * (finding.cost.graphs != 1)}")
    if finding.cost.seconds >= 0.05:
        parts.append(f"{finding.cost.seconds:.1f} s of compile time")
    if finding.count > 1:
        parts.append(f"seen {finding.count}×")
    return ", ".join(parts)


def _block(console: Console, lines: tuple[str, ...]) -> None:
    for line in lines:
        console.print(f"{_INDENT}│ {line}", style="dim", soft_wrap=True)


def _bytecode(console: Console, report: Report, finding: Finding) -> None:
    """The decompiled part around the break, if the capture has it."""
    if not finding.facts.bytecode or finding.location is None:
        return
    best: tuple[int, str] | None = None
    for key in report.bytecode:
        file, function, first = key.rsplit(":", 2)
        known = next((path for path in report.sources if file.endswith(path)), file)
        inside = (
            locations.qualified(report.sources, known, int(first), function_name(function)) == finding.location.function
        )
        # The frame that broke: the function, or the resume function that begins closest before the line.
        if (
            known == finding.location.file
            and inside
            and (best[0] if best else 0) <= int(first) <= finding.location.line
        ):
            best = int(first), key
    if best is None:
        return
    entry, function = report.bytecode[best[1]], best[1].rsplit(":", 2)[1]
    if entry["text"] is None:
        console.print(f"{_INDENT}Bytecode of {function}: {entry['note']}", style="dim", soft_wrap=True)
        return
    console.print(f"{_INDENT}Bytecode of {function}, decompiled ({entry['path']}):", style="dim", soft_wrap=True)
    _block(console, around_break(entry["text"]))


def around_break(source: str) -> tuple[str, ...]:
    """The lines before and after the call of the first resume function."""
    lines = source.splitlines()
    at = next(
        (number for number, line in enumerate(lines) if "__resume_at" in line or "torch_dynamo_resume_in" in line),
        len(lines) - 1,
    )
    return tuple(lines[max(0, at - 7) : at + 3])


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
        ("Not checked", tuple(f"{code}: {reason}" for code, reason in report.skipped_checks)),
        ("Unknown trace records", tuple(f"{count}× {kind}" for kind, count in report.unknown_events.items())),
        ("Notes", report.notes),
    ):
        if lines:
            console.print(title, style="bold")
            for line in lines:
                console.print(f"{_INDENT}{line}", soft_wrap=True)
            console.print()
