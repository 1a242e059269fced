"""The starts as text: one column for each, then the graphs, what makes the cache useless, and what would help."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rich.console import Console
from rich.text import Text

from compile_doctor.analysis.compile_time import WORDS
from compile_doctor.clean import cleaned
from compile_doctor.coldstart.result import NAMES, Advice, ColdStart, Started, StartedGraph
from compile_doctor.model.findings import Finding
from compile_doctor.model.timeline import PHASES
from compile_doctor.render.console import make_console, printed
from compile_doctor.render.entries import one_line
from compile_doctor.source import locations

SHOWN = 6
"""Graphs in the short form."""
_WIDTH = 30


@cleaned
def render(found: ColdStart, verbosity: int = 0, colour: bool = False) -> str:
    found = relative(found)
    console = make_console(colour)
    env = found.environment
    parts = [
        found.target,
        f"torch {env['torch']}" if env.get("torch") else "",
        str(env.get("gpu") or env.get("device") or ""),
    ]
    console.print(" · ".join(one_line(part, 200) for part in parts if part), style="dim", soft_wrap=True)
    if found.busy:
        _wrapped(console, "", one_line(found.busy, 400), style="yellow")
    console.print()
    if found.problem:
        console.print(Text(f"INCONCLUSIVE   {one_line(found.problem, 400)}", style="bold yellow"), soft_wrap=True)
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


def relative(found: ColdStart) -> ColdStart:
    """The same, with paths inside its working directory made relative to it."""
    prefix = found.cwd.rstrip("/") + "/"

    def short(path: str) -> str:
        return path[len(prefix) :] if len(prefix) > 1 and path.startswith(prefix) else path

    def move(one: Finding) -> Finding:
        return replace(one, location=replace(one.location, file=short(one.location.file)) if one.location else None)

    return replace(
        found,
        sources={short(path): text for path, text in found.sources.items()},
        findings=tuple(map(move, found.findings)),
        graphs=tuple(replace(one, frame=one.frame._replace(file=short(one.frame.file))) for one in found.graphs),
    )


def _starts(console: Console, starts: tuple[Started, ...]) -> None:
    if not starts:
        return
    names = [one.name for one in starts]
    console.print(f"{'Start':<{_WIDTH}}" + "".join(f"{name:>12}" for name in names), style="bold", soft_wrap=True)
    for name, cells in _rows(starts):
        console.print(f"{name:<{_WIDTH}}" + "".join(f"{cell:>12}" for cell in cells), soft_wrap=True)
    for one in starts:
        console.print(f"   {one.name}: {NAMES[one.name]}", style="dim", soft_wrap=True)
    console.print()


def _rows(starts: tuple[Started, ...]) -> Iterator[tuple[str, list[str]]]:
    yield "first call", [_seconds(one.first_call) for one in starts]
    yield "a later call", [_seconds(one.later_call) for one in starts]
    yield "compiling, all calls", [_seconds(one.compiling) for one in starts]
    for phase in PHASES:
        if any(one.phases.get(phase, 0.0) >= 0.05 for one in starts):
            yield f"   {WORDS[phase]}", [_seconds(one.phases.get(phase, 0.0)) if one.phases else "–" for one in starts]
    yield "graphs, recompilations", [f"{one.graphs}, {one.recompiles}" for one in starts]
    yield "cache: hits, misses", [f"{one.hits}, {one.misses}" for one in starts]
    if any(one.bypasses for one in starts):
        yield "cache: bypasses", [str(one.bypasses) for one in starts]


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
        console.print(f"{cut:<{width}}  {_seconds(one.cold):>8}  {_seconds(one.warm):>8}  {one.answer}", soft_wrap=True)
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
    console.print(Text(f"{gain(one)}  ") + Text(one.name, style="bold"), soft_wrap=True)
    if one.gain is None or one.gain >= 0:
        _wrapped(console, "   ", one.text)
    _wrapped(console, "   ", f"From: {one.basis}.", style="dim")
    console.print()


def gain(one: Advice) -> str:
    """`Saves 12.3 s (measured)`, `Saves up to 3 s (estimated)`, `Costs 1.0 s (measured)`."""
    if one.gain is None:
        return "No gain known: that start failed."
    if not one.measured:
        return f"Would save up to {one.gain:.1f} s (an estimate)"
    return f"Saves {one.gain:.1f} s (measured)" if one.gain >= 0 else f"Costs {-one.gain:.1f} s more (measured)"


def _wrapped(console: Console, label: str, text: str, style: str | None = None) -> None:
    lines = Text(text).wrap(console, max(console.width - len(label) - 1, 20))
    for number, line in enumerate(lines):
        console.print((" " * len(label) if number else label) + line.plain.rstrip(), style=style, soft_wrap=True)


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f} s" if value < 10 else f"{value:.1f} s"
