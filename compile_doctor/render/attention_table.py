"""The table of attention calls in the text report: sizes, measured peaks, what dense would need, and the verdicts.

Written by hand, not with rich.table: lines of other widths come between the rows, a row is not wrapped on a narrow
terminal, and rows without colours bypass rich (see `Page`).
"""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from compile_doctor.analysis.attention.entries import AttentionEntry
from compile_doctor.analysis.attention.growth import Step
from compile_doctor.model.sizes import human
from compile_doctor.report.make import Report
from compile_doctor.source import locations

SHOWN = 6
"""Call sites in the short report."""
_STYLES = {"fused": "green", "dense": "red", "mixed": "red", "unverified": "yellow"}
_HEAD = ("tokens", "peak", "dense needs", "fused bound", "verdict")


def attention_table(console: Console, report: Report, verbosity: int) -> None:
    """Prints nothing if the model has no attention."""
    if not report.attention:
        return
    shown = report.attention if verbosity else report.attention[:SHOWN]
    names = [_name(entry) for entry in shown]
    width = min(max([len("Attention"), *map(len, names)]), 44)
    console.print(_line("Attention", width, _HEAD), style="bold", soft_wrap=True)
    for name, entry in zip(names, shown):
        for number, step in enumerate(entry.ladder):
            measured = step.ran and entry.verdict in ("dense", "mixed") and entry.peak_bytes is not None
            console.print(_row(name if number == 0 else "", width, step, measured), soft_wrap=True)
        for reason in dict.fromkeys(step.reason for step in entry.ladder if not step.ran and step.reason):
            console.print(f"    not run: {reason}", style="dim", soft_wrap=True)
        if entry.verdict != "fused" and entry.reason:
            for line in Text(_why(entry)).wrap(console, console.width - 5):
                console.print("    " + line.plain.rstrip(), style="dim", soft_wrap=True)
        if verbosity:
            console.print(f"    {_details(entry)}", style="dim", soft_wrap=True)
    if len(report.attention) > len(shown):
        console.print(f"and {len(report.attention) - len(shown)} more   (-v shows all)")
    for note in report.notes:
        if "float8 layers" in note or "CUDA graphs" in note:
            console.print(f"    {note}", style="dim", soft_wrap=True)
    console.print()


def _row(name: str, width: int, step: Step, measured: bool) -> Text:
    """With `~` before what dense would need, if that is an estimate."""
    peak = human(step.peak) if step.peak is not None else ("not run" if not step.ran else "–")
    dense = ("" if measured else "~") + human(step.dense) if step.dense is not None else "–"
    fused = human(step.fused) if step.fused is not None else "–"
    line = _line(name, width, (f"{step.tokens:,}" if step.tokens else "–", peak, dense, fused, step.verdict))
    text = Text(line)
    word = step.verdict.split(" ", 1)[0]
    if word in _STYLES:
        text.stylize(_STYLES[word], len(line) - len(step.verdict))
    return text


def _line(name: str, width: int, cells: tuple[str, ...]) -> str:
    shortened = name if len(name) <= width else "…" + name[-width + 1 :]
    numbers = "  ".join(f"{cell:>11}" for cell in cells[:-1])
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
