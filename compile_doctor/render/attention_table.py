"""The table of attention calls in the text report: sizes, measured memory, what dense and fused would need, verdicts.

Written by hand, not with rich.table: lines of other widths come between the rows, a row is not wrapped on a narrow
terminal, and rows without colours bypass rich (see `Page`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from compile_doctor.analysis.attention.entries import AttentionEntry
from compile_doctor.analysis.attention.growth import Step
from compile_doctor.model.sizes import human
from compile_doctor.report.report import Report
from compile_doctor.source import locations

SHOWN = 6
"""Call sites in the short report."""
LADDERS = 2
"""Up to so many call sites are shown with all sizes."""
HEAD = ("tokens", "peak memory", "if dense", "if fused", "verdict")
LEGEND = "dense: all tokens × tokens scores are kept. fused: one kernel, none are kept. ~: computed, not measured."
_STYLES = {"fused": "green", "dense": "red", "mixed": "red", "unverified": "yellow"}
_ABOUT = ("attention", "kernels", "float8")
"""Categories of findings that explain a verdict."""
_NAME = 44
"""Columns of a name, if there is room."""
Cells = tuple[str, ...]


def attention_table(console: Console, report: Report, verbosity: int) -> None:
    """Prints nothing if the model has no attention."""
    rows, quiet = _parted(report, verbosity)
    shown = rows if verbosity else rows[:SHOWN]
    if shown:
        _table(console, report, shown, verbosity)
        if len(rows) > len(shown):
            console.print(f"and {len(rows) - len(shown)} more   (-v shows all)")
    for line in _unknown(quiet):
        for piece in Text(line).wrap(console, console.width):
            console.print(piece.plain.rstrip(), style="dim", soft_wrap=True)
    for note in report.notes if report.attention else ():
        if "float8 layers" in note or "CUDA graphs" in note:
            console.print(f"    {note}", style="dim", soft_wrap=True)
    if report.attention:
        console.print()


def _parted(report: Report, verbosity: int) -> tuple[list[AttentionEntry], list[AttentionEntry]]:
    """The calls for the table; and those of which nobody asked to prove anything, and nothing is known."""
    asked = report.settings.get("tokens") or report.require_fused or verbosity
    told = [one for one in report.attention if asked or one.verdict != "unverified"]
    return told, [one for one in report.attention if one not in told]


def explained(report: Report, entry: AttentionEntry) -> bool:
    """Whether a finding gives the reason for this call's verdict."""
    return any(
        finding.facts.category in _ABOUT
        and finding.location is not None
        and (finding.location.file, finding.location.line) == (entry.location.file, entry.location.line)
        for finding in report.findings
    )


def _unknown(entries: Sequence[AttentionEntry]) -> Iterator[str]:
    """One sentence for each reason: the first of a call."""
    calls: dict[str, list[str]] = {}
    for entry in entries:
        reason = next(iter(entry.reasons.values()), "it was not measured")
        calls.setdefault(reason, []).append(" ".join(_name(entry).split()))
    for reason, names in calls.items():
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        yield f"Not known whether attention is fused at {', '.join(names[:3])}{more}: {reason}"


def _table(console: Console, report: Report, shown: Sequence[AttentionEntry], verbosity: int) -> None:
    ladders = [entry.ladder if verbosity or len(shown) <= LADDERS else entry.ladder[-1:] for entry in shown]
    cells = [[_cells(entry, step) for step in ladder] for entry, ladder in zip(shown, ladders)]
    every = [HEAD, *(row for rows in cells for row in rows)]
    widths = [max(cell_len(row[column]) for row in every) for column in range(len(HEAD))]
    names = [_name(entry) for entry in shown]
    room = max(20, console.width - sum(widths) - 2 * len(HEAD))
    width = min(max([len("Attention"), *map(len, names)]), _NAME, room)
    console.print(_line("Attention", width, widths, HEAD), style="bold", soft_wrap=True)
    for name, entry, ladder, rows in zip(names, shown, ladders, cells):
        for number, row in enumerate(rows):
            console.print(_coloured(_line(name if number == 0 else "", width, widths, row), row[-1]), soft_wrap=True)
        told = not verbosity and explained(report, entry)
        for reason in dict.fromkeys(step.reason for step in ladder if not step.ran and step.reason and not told):
            console.print(f"    not run: {reason}", style="dim", soft_wrap=True)
        if entry.verdict != "fused" and entry.reason and not told:
            for line in Text(_why(entry)).wrap(console, console.width - 5):
                console.print("    " + line.plain.rstrip(), style="dim", soft_wrap=True)
        if verbosity:
            console.print(f"    {_details(entry)}", style="dim", soft_wrap=True)
    if verbosity or not report.findings:
        console.print(LEGEND, style="dim", soft_wrap=True)


def _cells(entry: AttentionEntry, step: Step) -> Cells:
    """With `~` before what dense would need, if that is an estimate."""
    measured = step.ran and entry.verdict in ("dense", "mixed") and entry.peak_bytes is not None
    peak = human(step.peak) if step.peak is not None else ("not run" if not step.ran else "–")
    dense = ("" if measured else "~") + human(step.dense) if step.dense is not None else "–"
    fused = human(step.fused) if step.fused is not None else "–"
    return f"{step.tokens:,}" if step.tokens else "–", peak, dense, fused, step.verdict


def _coloured(line: str, verdict: str) -> Text:
    text = Text(line)
    text.stylize(_STYLES.get(verdict.split(" ", 1)[0], ""), len(line) - len(verdict))
    return text


def _line(name: str, width: int, widths: Sequence[int], cells: Cells) -> str:
    shortened = name if len(name) <= width else "…" + name[-width + 1 :]
    numbers = "  ".join(f"{cell:>{room}}" for cell, room in zip(cells[:-1], widths))
    return f"{shortened:<{width}}  {numbers}  {cells[-1]}"


def _name(entry: AttentionEntry) -> str:
    api = {"flex_attention": "flex"}.get(entry.api, entry.api)
    backend = f" ({entry.backend})" if entry.api == "sdpa" and entry.backend else ""
    return f"{locations.short(entry.location.file)}:{entry.location.line}  {api}{backend}"


def _why(entry: AttentionEntry) -> str:
    open_pieces = [f"{name}: {reason}" for name, reason in entry.reasons.items()]
    return "; ".join(open_pieces)


def _details(entry: AttentionEntry) -> str:
    known = {True: "yes", False: "no", None: "not known"}
    pieces = ", ".join(f"{name} {known[getattr(entry, name)]}" for name in ("lowered", "executed", "bounded"))
    kernel = f" · {entry.implementation}" if entry.implementation else ""
    kernel += f" · kernel {entry.kernel}" if entry.kernel else ""
    shape = f" · query {list(entry.q_shape)} {entry.dtype}" if entry.q_shape else ""
    return pieces + kernel + shape
