"""The report as workflow commands: GitHub Actions shows them as annotations at the lines that they name."""

from __future__ import annotations

from dataclasses import replace

from compile_doctor.clean import cleaned
from compile_doctor.gate.outcome import Gate
from compile_doctor.render import markdown_format
from compile_doctor.render.entries import INCONCLUSIVE, Entry, at, body, cut, label, one_line, own_place, worst_first
from compile_doctor.render.subjects import targets
from compile_doctor.report.report import Report

LIMIT = 10
"""GitHub shows this many annotations of each kind per step, and silently drops the others."""
_COMMANDS = {"error": "error", "warning": "warning", "info": "notice"}
_MESSAGE, _TITLE = 3000, 200


@cleaned
def render(report: Report, verbosity: int = 0, colour: bool = False) -> str:
    return _commands(report)


@cleaned
def render_gate(gate: Gate, verbosity: int = 0, colour: bool = False) -> str:
    return _commands(gate)


def summary(subject: Report | Gate) -> str:
    """The text for the file that $GITHUB_STEP_SUMMARY names."""
    if isinstance(subject, Report):
        return markdown_format.render(subject)
    return markdown_format.render_gate(subject)


def _commands(subject: Report | Gate) -> str:
    shown = targets(subject)
    entries = worst_first(entry for target in shown for entry in target.entries)
    lines = []
    counted = []
    for level, command in _COMMANDS.items():
        of_level = [entry for entry in entries if entry.level == level]
        folded = _folded(of_level)
        lines += [_command(command, entry) for entry in folded[:LIMIT]]
        hidden = max(0, len(folded) - LIMIT)
        count = f"{len(of_level):,} {command}{'s' * (len(of_level) != 1)}"
        counted.append(count + (f" ({LIMIT} of them annotated: GitHub shows no more)" if hidden else ""))
    states = [target.status for target in shown]
    counts = [f"{states.count(state)} {state}" for state in ("failed", INCONCLUSIVE, "passed") if state in states]
    lines.append(f"compile-doctor: {', '.join(counts)}; {', '.join(counted)}")
    return "\n".join(lines) + "\n"


def _folded(entries: list[Entry]) -> list[Entry]:
    """If there are many targets without a verdict, they share one annotation, so that others are not dropped."""
    undecided = [entry for entry in entries if entry.kind == INCONCLUSIVE]
    if len(entries) <= LIMIT or len(undecided) < 2:
        return entries
    reasons = "\n".join(f"{entry.target}: {entry.finding.title}" for entry in undecided)
    first = undecided[0]
    title = f"{len(undecided)} targets are inconclusive"
    made = replace(first, finding=replace(first.finding, title=title, message=reasons), target="")
    return [made, *(entry for entry in entries if entry.kind != INCONCLUSIVE)]


def _command(command: str, entry: Entry) -> str:
    """`::error file=model.py,line=7,title=CD101 graph-break::Graph break: …`."""
    place = own_place(entry.finding)
    values = {"file": place.file if place else entry.path}  # without a file, GitHub shows it at no line of the change
    if place and place.line >= 1:
        values["line"] = str(place.line)
    values["title"] = one_line(label(entry.finding) + (f" ({entry.target})" if entry.target else ""), _TITLE)
    properties = ",".join(f"{name}={_property(value)}" for name, value in values.items())
    text = body(entry)
    if entry.finding.location and place != entry.finding.location:
        text += f"\nIn {at(entry.finding.location)}"
    return f"::{command} {properties}::{_data(cut(text, _MESSAGE))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
