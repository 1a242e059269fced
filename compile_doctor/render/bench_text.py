"""The results of `bench` as text: one table per case, the fastest first at each size.

Written by hand, not with rich.table: sizes, reasons and failures are separate lines between the rows, and a row is not
wrapped on a narrow terminal.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.text import Text

from compile_doctor.bench.result import Bench, Row
from compile_doctor.clean import cleaned
from compile_doctor.model.sizes import human
from compile_doctor.render.console import make_console, printed
from compile_doctor.render.entries import one_line

NOISY = "noisy"
"""Instead of a ratio that the spread denies."""
FEW = 4
"""With fewer calls than this, the spread means nothing."""
_COLUMNS = ("median", "spread", "to best", "per token", "peak", "compile")
_WIDTHS = (10, 8, 8, 10, 10, 9)
_STYLES = {"wrong": "red", "died": "red", "timed-out": "red", "failed": "red", "unsupported": "dim", "not-run": "dim"}
WORDS = {"timed-out": "timed out", "not-run": "not run"}


@cleaned
def render(bench: Bench, verbosity: int = 0, colour: bool = False) -> str:
    console = make_console(colour)
    for part in Text(one_line(" · ".join([bench.subject, *ran_on(bench)]), 1000)).wrap(console, console.width):
        console.print(part)
    busy = _busy(bench)
    if busy:
        console.print(busy, style="yellow", soft_wrap=True)
    width = min(max((len(row.implementation) for row in bench.rows), default=0), 34) + 2
    for case, rows in groupby(bench.rows, key=lambda row: row.case):
        console.print()
        _table(console, case, list(rows), width)
    console.print()
    for line in meanings(bench):
        for wrapped in Text(line).wrap(console, console.width - 2):
            console.print("  " + wrapped.plain.rstrip(), style="dim")
    return printed(console)


def ran_on(bench: Bench) -> list[str]:
    """How the target was understood, torch, the device's name, the dtype and the shapes: for the head and the plot."""
    environment, inputs = bench.environment, bench.inputs
    device = str(environment.get("gpu") or environment.get("cpu") or environment.get("device") or "")
    threads = environment.get("threads")
    if threads and not environment.get("gpu"):
        device += f", {threads} thread{'s' * (threads != 1)}"
    parts = [str(inputs.get("convention") or ""), f"torch {environment.get('torch')}", device]
    parts.append(str(environment.get("dtype") or inputs.get("dtype") or ""))
    if inputs.get("heads"):
        parts.append(f"batch {inputs['batch']}, {inputs['heads']} heads of {inputs['head_dim']}")
    return [part for part in parts if part]


def _busy(bench: Bench) -> str:
    """A warning if other programs used the processor when the measurement began."""
    load, cores = bench.environment.get("load_average"), bench.environment.get("cores")
    if not load or not cores or load < 0.5 * cores:
        return ""
    return (
        f"load average {load:.1f} on {cores} cores before the measurement: "
        "other programs are running and affect the times"
    )


def _table(console: Console, case: str, rows: Sequence[Row], width: int) -> None:
    per_token = any(row.positions for row in rows)
    name = max(width + 2, len(case) + 2)
    console.print(_line(case, name, _COLUMNS, per_token), style="bold", soft_wrap=True)
    never = refused(rows)
    for tokens, group in groupby(rows, key=lambda row: row.tokens):
        if tokens is not None:
            console.print(f"{tokens:,} tokens", style="cyan")
        for row in group:
            if row.implementation not in never:
                _row(console, row, name, per_token)
    for reason in dict.fromkeys(never.values()):
        names = ", ".join(one for one, why in never.items() if why == reason)
        for line in Text(f"unsupported at every size: {names}: {reason}").wrap(console, console.width - 2):
            console.print("  " + line.plain.rstrip(), style="dim")


def refused(rows: Sequence[Row]) -> dict[str, str]:
    """Implementations that are unsupported at every size, with the reason, which is shown only once."""
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row.implementation, set()).add(str(row.reason) if row.status == "unsupported" else "")
    return {name: reasons.pop() for name, reasons in sorted(found.items()) if len(reasons) == 1 and "" not in reasons}


def _row(console: Console, row: Row, name: int, per_token: bool) -> None:
    if row.status != "measured":
        text = f"{WORDS.get(row.status, row.status)}: {row.reason}" if row.reason else row.status
        head = f"  {row.implementation:<{name - 2}}"
        for number, line in enumerate(Text(text).wrap(console, max(30, console.width - name - 2))):
            console.print((" " * name if number else head) + "  " + line.plain.rstrip(), style=_STYLES[row.status])
        return
    compile_ = "–" if row.compile_seconds is None else f"{row.compile_seconds:.1f} s" + "*" * row.compile_cached
    cells = (
        seconds(row.median),
        f"{100 * (row.spread or 0):.0f} %" + ("!" if row.noisy else " ") if row.calls >= FEW else "– ",
        f"{row.ratio:.2f}×" if row.ratio else NOISY,
        seconds(row.per_token),
        human(row.peak_bytes) if row.peak_bytes is not None else "–",
        compile_,
    )
    best = row.ratio == 1.0
    console.print(
        _line("  " + row.implementation, name, cells, per_token), style="green" if best else None, soft_wrap=True
    )
    if row.reason:
        console.print(f"    {row.reason}", style="yellow", soft_wrap=True)


def _line(name: str, width: int, cells: Sequence[str], per_token: bool) -> str:
    shown = [
        f"{cell:>{room}}" for label, cell, room in zip(_COLUMNS, cells, _WIDTHS) if per_token or label != "per token"
    ]
    return f"{name:<{width}}" + "".join(f"  {cell}" for cell in shown)


def seconds(value: float | None) -> str:
    """`1.23 s`, `12.3 ms`, `456 µs`: three figures."""
    if value is None:
        return "–"
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= scale or unit == "µs":
            number = value / scale
            places = 2 if number < 9.995 else 1 if number < 99.95 else 0
            return f"{number:,.{places}f} {unit}"
    raise AssertionError


def meanings(bench: Bench) -> list[str]:
    """The meaning of the figures that are shown."""
    measured = [row for row in bench.rows if row.status == "measured"]
    active = [str(one["id"]) for one in bench.patches if one.get("state") == "active"]
    lines = []
    if measured:
        lines.append(
            "median and spread (interquartile range) of interleaved warm calls; peak: memory of one call with its output"
        )
    if any(row.compile_seconds is not None for row in measured):
        starred = "; * from Inductor's cache on disk" if any(row.compile_cached for row in measured) else ""
        lines.append(f"compile: the first call minus the median, not included in the median{starred}")
    if any(row.noisy for row in measured):
        lines.append("! spread above a tenth of the median: other programs are running, or the clock frequency changes")
    if any(row.ratio is None for row in measured):
        lines.append(f"{NOISY}: too noisy to rank: the middle halves of the best rows' times overlap; raise --seconds")
    if any(row.calls < FEW for row in measured):
        lines.append(f"spread –: fewer than {FEW} calls were timed; raise --seconds for more")
    compared = [row for row in measured if row.difference is not None]
    if compared:
        worst = max(row.difference or 0.0 for row in compared)
        lines.append(f"outputs were compared before timing: largest difference {worst:.1g}")
    lines += ["active recipes: " + ", ".join(active)] if active else []
    lines += [
        f"recipe {one['id']} is {one['state']}: {one.get('reason') or ''}"
        for one in bench.patches
        if one.get("state") in ("refused", "failed", "too-late")
    ]
    return lines + list(bench.notes)
