"""The starts as text: one column for each, then the graphs, what makes the cache useless, and what would help."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from compile_doctor.clean import cleaned
from compile_doctor.coldstart.result import NAMES, Advice, ColdStart, Started, StartedGraph
from compile_doctor.model.findings import Finding
from compile_doctor.render import start_words as words
from compile_doctor.render.console import make_console, printed
from compile_doctor.render.entries import one_line
from compile_doctor.source import locations

SHOWN = 6
"""Graphs in the short form."""
_WIDTH = 30
_COLOURS = {"good": "green", "bad": "yellow", "open": "yellow"}


@cleaned
def render(found: ColdStart, verbosity: int = 0, colour: bool = False) -> str:
    found = words.relative(found)
    console = make_console(colour)
    console.print(" · ".join(one_line(part, 200) for part in words.facts(found)), style="dim", soft_wrap=True)
    if found.busy:
        _wrapped(console, "", one_line(found.busy, 400), style="yellow")
    console.print()
    word, tone, sentence = words.headline(found)
    head = Text(word.upper(), style=f"bold {_COLOURS[tone]}") + Text(f"   {one_line(sentence, 400)}")
    console.print(head, soft_wrap=True)
    console.print()
    _starts(console, found.starts)
    _graphs(console, found.graphs, verbosity)
    for number, finding in enumerate(found.findings, 1):
        _finding(console, number, finding)
    for one in found.advice:
        _advice(console, one)
    for note in found.notes if verbosity else ():
        _wrapped(console, "note: ", note)
    return printed(console)


def _starts(console: Console, starts: tuple[Started, ...]) -> None:
    if not starts:
        return
    names = [one.name for one in starts]
    console.print(f"{'Start':<{_WIDTH}}" + "".join(f"{name:>14}" for name in names), style="bold", soft_wrap=True)
    for name, cells in words.rows(starts):
        console.print(f"{name:<{_WIDTH}}" + "".join(f"{cell:>14}" for cell in cells), soft_wrap=True)
    for one in starts:
        console.print(f"   {one.name}: {NAMES[one.name]}", style="dim", soft_wrap=True)
    console.print()


def _graphs(console: Console, graphs: tuple[StartedGraph, ...], verbosity: int) -> None:
    shown = graphs if verbosity else graphs[:SHOWN]
    if not shown:
        return
    names = [
        f"{locations.short(one.frame.file)}:{one.frame.line} {one.frame.function} [{one.compile_id}]" for one in shown
    ]
    width = min(max(len("Graph"), *map(len, names)), 52)
    console.print(
        f"{'Graph':<{width}}  {'cold':>8}  {'warm':>8}  cache in the warm start", style="bold", soft_wrap=True
    )
    for name, one in zip(names, shown):
        cut = name if len(name) <= width else "…" + name[1 - width :]
        console.print(
            f"{cut:<{width}}  {words.seconds(one.cold):>8}  {words.seconds(one.warm):>8}  {one.answer}", soft_wrap=True
        )
        if one.reason:
            _wrapped(console, "    ", f"bypassed: {one_line(one.reason, 300)}", style="dim")
    if len(graphs) > len(shown):
        console.print(f"and {len(graphs) - len(shown)} more   (-v shows all)")
    console.print()


def _finding(console: Console, number: int, finding: Finding) -> None:
    place = (
        f"  {finding.location.file}:{finding.location.line} in {finding.location.function}" if finding.location else ""
    )
    head = Text(f"{number:<3}") + Text(f"{finding.code} {finding.name}", style="bold yellow")
    console.print(head + Text(f" ({finding.severity}){place}"), soft_wrap=True)
    _wrapped(console, "   ", finding.message)
    for line in finding.evidence:
        _wrapped(console, "   Seen   ", one_line(line, 400))
    _wrapped(console, "   Fix    ", finding.fix)
    if finding.cost.seconds >= 0.05:
        _wrapped(console, "   Cost   ", f"{finding.cost.seconds:.1f} s in each start")
    console.print()


def _advice(console: Console, one: Advice) -> None:
    console.print(Text(f"{words.gain(one)}  ") + Text(one.name, style="bold"), soft_wrap=True)
    if words.helps(one):
        _wrapped(console, "   ", one.text)
    _wrapped(console, "   ", f"From: {one.basis}.", style="dim")
    console.print()


def _wrapped(console: Console, label: str, text: str, style: str | None = None) -> None:
    lines = Text(text).wrap(console, max(console.width - len(label) - 1, 20))
    for number, line in enumerate(lines):
        console.print((" " * len(label) if number else label) + line.plain.rstrip(), style=style, soft_wrap=True)
