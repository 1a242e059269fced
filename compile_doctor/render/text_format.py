"""The report as a person reads it: verdict first, then the few things to do, then the figures."""

from __future__ import annotations

import io
import os
import shutil
import sys

from rich.console import Console
from rich.text import Text

from compile_doctor import places
from compile_doctor.findings import Finding
from compile_doctor.render.consequence import consequence, figures
from compile_doctor.report import Report, relative

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


def render(report: Report, verbosity: int = 0) -> str:
    report = relative(report)
    console = _console()
    _head(console, report)
    shown = report.findings if verbosity else report.findings[:SHOWN]
    for number, finding in enumerate(shown, 1):
        _finding(console, report, number, finding, verbosity)
    hidden = report.findings[len(shown) :]
    if hidden:
        console.print(_hidden(hidden), highlight=False)
        console.print()
    if verbosity:
        _details(console, report)
    elif report.disagreements:
        console.print(f"torch's own sources disagree on {len(report.disagreements)} count(s): -v", style="yellow")
    console.print(" · ".join(figures(report)), highlight=False, soft_wrap=True)
    if report.findings:
        console.print(
            f"Explain: compile-doctor explain {report.findings[0].code}     All of it: -v     Keep: --capture DIR",
            style="dim",
        )
    output = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in output.splitlines()) + "\n"


def _console() -> Console:
    """Colour on a terminal only; NO_COLOR and FORCE_COLOR are rich's to honour."""
    width = max(60, min(shutil.get_terminal_size((100, 40)).columns, 120))
    return Console(
        file=io.StringIO(),
        width=width,
        force_terminal=sys.stdout.isatty() or None,
        highlight=False,
        markup=False,
        emoji=False,
    )


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


def _shortened(target: str) -> str:
    relative_path = os.path.relpath(target) if os.path.isabs(target) else target
    return target if relative_path.startswith("..") else relative_path


def _finding(console: Console, report: Report, number: int, finding: Finding, verbosity: int) -> None:
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
                else f"{places.short(finding.location.file)}:{finding.location.line} in {finding.location.function} ({finding.owner})"
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
        _wrapped(console, "Fix    ", finding.fix)
    cost = _cost(finding)
    if cost:
        _wrapped(console, "Cost   ", cost)
    if finding.code in ("CD001", "CD002"):
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
    lines = report.sources.get(location.file, "").splitlines()
    if not 0 < location.line <= len(lines):
        return
    width = len(str(location.line))
    for number in (location.line - 1, location.line):
        if number < 1 or (number != location.line and not lines[number - 1].strip()):
            continue
        mark, style = (">", "bold") if number == location.line else (" ", "dim")
        console.print(
            f"{_INDENT}{mark} {number:>{width}} | {lines[number - 1].rstrip()[: console.width - 12]}",
            style=style,
            soft_wrap=True,
        )


def _wrapped(console: Console, label: str, text: str) -> None:
    """Text behind a label, wrapped; lines of code in it (indented) are kept as they are."""
    pad = _INDENT + " " * len(label)
    first = True
    for line in text.rstrip().splitlines():
        body = Text(line.rstrip())
        kept = line.startswith(" ")
        for piece in [body] if kept else body.wrap(console, console.width - len(pad) - 1) or [body]:
            console.print((_INDENT + label if first else pad) + piece.plain.rstrip(), soft_wrap=True)
            first = False


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
    """The decompiled part around the break, where there is a capture that has it."""
    if finding.code not in ("CD101", "CD102") or finding.location is None:
        return
    name = finding.location.function.rsplit(".", 1)[-1]
    for key, entry in report.bytecode.items():
        file, function, _ = key.rsplit(":", 2)
        if not file.endswith(finding.location.file) or function != name:
            continue
        if entry["text"] is None:
            console.print(f"{_INDENT}Bytecode of {function}: {entry['note']}", style="dim", soft_wrap=True)
            continue
        console.print(f"{_INDENT}Bytecode of {function}, decompiled by depyf ({entry['path']}):", style="dim")
        _block(console, around_break(entry["text"]))
        return


def around_break(source: str) -> tuple[str, ...]:
    """The lines before and behind the call of the first resume function."""
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


def _details(console: Console, report: Report) -> None:
    for title, lines in (
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
