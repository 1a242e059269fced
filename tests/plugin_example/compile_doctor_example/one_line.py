"""The format `one-line`: the verdict and the codes."""

from __future__ import annotations


def render(report, verbosity: int = 0, colour: bool = False) -> str:
    """A report, for `diagnose`, `run` and `report`."""
    codes = ",".join(finding.code for finding in report.findings)
    return f"{report.target}: {report.verdict} {codes}".rstrip() + "\n"


def render_gate(gate, verbosity: int = 0, colour: bool = False) -> str:
    """The outcome of `check`."""
    return "".join(f"{one.name}: {one.status}\n" for one in gate.outcomes)
