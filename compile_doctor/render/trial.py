"""The part of the text report that shows what recipes changed."""

from __future__ import annotations

from rich.console import Console

from compile_doctor.model.findings import Finding
from compile_doctor.report.trial import Trial


def trial_table(console: Console, trial: Trial) -> None:
    console.print("A second run with the recipes " + ", ".join(one.id for one in trial.recipes), style="bold")
    for one in trial.recipes:
        if one.state != "active":
            _line(console, one.id, f"{one.state}: {one.reason}" if one.reason else one.state)
    before, after = trial.verdict
    _line(console, "verdict", after if before == after else f"{after}, was {before}")
    for finding in trial.gone:
        _line(console, "gone", _named(finding))
    for finding in trial.new:
        _line(console, "new", _named(finding))
    for place, old, new in trial.attention:
        _line(console, "attention", f"{place}  {new}, was {old}")
    _line(console, "numerics", _numerics(*trial.max_difference))
    _line(console, "compile", f"{trial.compile_seconds[1]:.1f} s, was {trial.compile_seconds[0]:.1f} s")
    names = ",".join(one.id for one in trial.recipes)
    _line(console, "to keep", f'compile_doctor.apply("{names}")'.replace(",", '", "'))
    console.print()


def _line(console: Console, label: str, text: str) -> None:
    console.print(f"   {label:<10} {text}", soft_wrap=True)


def _named(finding: Finding) -> str:
    place = f"  {finding.location.file}:{finding.location.line}" if finding.location else ""
    return f"{finding.code} {finding.name}{place}"


def _numerics(before: float | None, after: float | None) -> str:
    if after is None:
        return "not compared with eager mode"
    was = "not compared" if before is None else f"{before:.0e}"
    return f"equals eager to {after:.0e}, was {was}"
