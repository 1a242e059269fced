"""Plots time over tokens: a panel per case, both axes logarithmic, the interquartile range as a band.

A case at one size gets bars instead, from zero: a line needs two points.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Any

from compile_doctor.bench.result import Bench, Row
from compile_doctor.clean import cleaned
from compile_doctor.errors import UsageError
from compile_doctor.render.bench_text import ran_on, seconds

KINDS = ("svg", "png")
# The colours of Okabe and Ito, distinguishable with any kind of colour vision, without yellow: too light on white.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F7F7F")
_MARKERS = "osD^vP*X"
_KNOWN = (
    "flex-compiled",
    "sdpa-flash",
    "sdpa-compiled",
    "sdpa-math",
    "flex-eager",
    "sdpa-efficient",
    "target",
    "sdpa-cudnn",
)
"""Each has a fixed colour and marker, so that two plots can be compared."""


def check_plot(path: Path) -> None:
    """Raises UsageError if the plot cannot be written to this file, before anything is measured."""
    if path.suffix.lower().removeprefix(".") not in KINDS:
        raise UsageError(f"--plot {path}: the name has to end with .svg or .png.")
    if not path.resolve().parent.is_dir():
        raise UsageError(f"--plot {path}: {path.resolve().parent} is not a directory. Create it first.")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UsageError(
            "--plot needs matplotlib, which is not installed. Install it with",
            hint="pip install 'compile-doctor[plot]'",
        ) from None


@cleaned
def plot_bench(bench: Bench, path: Path) -> None:
    """Writes the plot. The same measurements give the same bytes of SVG: no date, and no random ids.

    Raises UsageError if there is nothing to plot, or the file cannot be written.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    rows = [row for row in bench.rows if row.status == "measured" and row.median is not None]
    if not rows:
        raise UsageError("--plot: there is nothing to plot, because nothing was measured.")
    cases = list(dict.fromkeys(row.case for row in rows))
    measured = {row.implementation for row in rows}
    names = [*(name for name in _KNOWN if name in measured), *sorted(measured.difference(_KNOWN))]
    columns = min(len(cases), 3)
    lines = ceil(len(cases) / columns)
    with rc_context(
        {"svg.hashsalt": "compile-doctor", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    ):
        figure = Figure(figsize=(max(6.4, 4.2 * columns), 3.4 * lines + 1.3), layout="constrained")
        panels = figure.subplots(lines, columns, squeeze=False)
        for number, panel in enumerate(panels.flat):
            own = [row for row in rows if number < len(cases) and row.case == cases[number]]
            if not own:
                panel.set_axis_off()
            elif len({row.tokens for row in own}) == 1:
                _bars(panel, cases[number], own, names)
            else:
                _panel(panel, cases[number], own, names)
                _left_out(panel, own, [row for row in bench.rows if row.case == cases[number]])
        figure.suptitle(
            "\n".join([f"compile-doctor bench: {bench.subject}", *_lines(ran_on(bench), 60 * columns)]), fontsize=9
        )
        legend = _legend(panels.flat, names)
        if legend[0]:  # bars have their names beside them
            figure.legend(*legend, loc="outside lower center", ncols=min(len(names), 2 * columns), frameon=False)
        try:
            figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix.lower() == ".svg" else None)
        except OSError as error:
            raise UsageError(f"--plot {path}: {error.strerror}.") from error


def _look(name: str, names: Sequence[str]) -> dict[str, str]:
    number = _KNOWN.index(name) if name in _KNOWN else names.index(name)
    return {"color": _COLOURS[number % len(_COLOURS)], "marker": _MARKERS[number % len(_MARKERS)]}


def _bars(panel: Any, case: str, rows: Sequence[Row], names: Sequence[str]) -> None:
    """The fastest on top, with its time beside the bar, and the interquartile range as a whisker."""
    ordered = sorted(rows, key=lambda row: row.median or 0.0, reverse=True)
    for place, row in enumerate(ordered):
        median = row.median or 0.0
        whisker = [[max(0.0, median - (row.p25 or median))], [max(0.0, (row.p75 or median) - median)]]
        colour = _look(row.implementation, names)["color"]
        panel.barh(place, median, xerr=whisker, color=colour, height=0.7, ecolor="#444444")
        end = max(median, row.p75 or median)
        panel.annotate(seconds(median), (end, place), (4, 0), textcoords="offset points", va="center", fontsize=8)
    tokens = ordered[0].tokens
    panel.set_yticks(range(len(ordered)), [row.implementation for row in ordered])
    panel.tick_params(axis="y", length=0)
    panel.margins(x=0.2)
    panel.locator_params(axis="x", nbins=5)
    ticks = panel.get_xticks()
    panel.set_xticks(ticks, [seconds(tick).replace(".00", "").replace(".0", "") if tick > 0 else "0" for tick in ticks])
    panel.set_xlim(0, None)
    panel.set_title(case, fontsize=10, fontweight="bold")
    panel.set_xlabel("time of one call" + (f", {tokens:,} tokens" if tokens is not None else ""))
    panel.grid(True, axis="x", linewidth=0.4, alpha=0.5)
    panel.set_axisbelow(True)


def _panel(panel: Any, case: str, rows: Sequence[Row], names: Sequence[str]) -> None:
    sizes = sorted({row.tokens for row in rows if row.tokens is not None})
    for name in names:
        points = sorted(
            (row.tokens or 0, row.median or 0, row.p25 or 0, row.p75 or 0) for row in rows if row.implementation == name
        )
        if not points:
            continue
        tokens, median, low, high = zip(*points)
        line = "-" if name in _KNOWN or "eager" in name else "--"
        look = _look(name, names)
        panel.plot(tokens, median, line, markersize=5, linewidth=1.5, label=name, **look)
        panel.fill_between(tokens, low, high, color=look["color"], alpha=0.18, linewidth=0)
    panel.set_xscale("log", base=2)
    panel.set_yscale("log")
    panel.set_xticks(sizes, [f"{size:,}" for size in sizes])
    panel.minorticks_off()
    panel.set_yticks(*_ticks(panel.get_ylim()))
    panel.set_title(case, fontsize=10, fontweight="bold")
    panel.set_xlabel("tokens")
    panel.set_ylabel("time of one call")
    panel.grid(True, linewidth=0.4, alpha=0.5)


def _left_out(panel: Any, measured: Sequence[Row], rows: Sequence[Row]) -> None:
    """Says at the end of a line that larger sizes were not run, so that it does not look as if nobody asked for them."""
    for name in dict.fromkeys(row.implementation for row in measured):
        last = max((row for row in measured if row.implementation == name), key=lambda row: row.tokens or 0)
        missing = [row for row in rows if row.implementation == name and (row.tokens or 0) > (last.tokens or 0)]
        if missing:
            at = (last.tokens or 0, last.median or 0.0)
            panel.annotate("larger: not run", at, (6, 0), textcoords="offset points", va="center", fontsize=8)


def _ticks(limits: tuple[float, float]) -> tuple[list[float], list[str]]:
    """1, 2 and 5 of each decade within the limits, as times; only 1 if there are many decades."""
    low, high = limits
    steps = (1, 2, 5) if high / low < 1000 else (1,)
    found = [step * 10.0**power for power in range(-9, 5) for step in steps]
    shown = [value for value in found if low <= value <= high]
    return shown, [seconds(value).replace(".00", "").replace(".0", "") for value in shown]


def _legend(panels: Any, names: Sequence[str]) -> tuple[list[Any], list[str]]:
    """One entry per implementation, from the first panel that has it."""
    found: dict[str, Any] = {}
    for panel in panels:
        for handle, label in zip(*panel.get_legend_handles_labels()):
            found.setdefault(label, handle)
    shown = [name for name in names if name in found]
    return [found[name] for name in shown], shown


def _lines(parts: Sequence[str], width: int) -> list[str]:
    """Parts joined by dots, on as many lines as they need."""
    lines = [""]
    for part in parts:
        joined = " · ".join(filter(None, [lines[-1], part]))
        if lines[-1] and len(joined) > width:
            lines.append(part)
        else:
            lines[-1] = joined
    return lines
