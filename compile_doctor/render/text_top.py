"""The top of the text report: what was diagnosed, the verdict, and what is missing."""

from __future__ import annotations

import os

from rich.console import Console
from rich.text import Text

from compile_doctor.render.consequence import consequence
from compile_doctor.render.finding_text import wrapped
from compile_doctor.render.text_lines import print_lines
from compile_doctor.report.report import Report

SHOWN = 5
"""Findings in the short report."""

_COLOURS = {"healthy": "green", "unhealthy": "red", "inconclusive": "yellow"}


def head(console: Console, report: Report, verbosity: int) -> None:
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


def missing_evidence(console: Console, report: Report, verbosity: int) -> None:
    """The missing evidence, except for what the verdict's own line states."""
    missing = [text for text in report.missing if text.lower().strip(".") not in report.reason.lower()]
    shown = missing if verbosity else missing[:SHOWN]
    lines = [line for text in shown for line in wrapped(console, "Missing  ", text)]
    if len(shown) < len(missing):
        lines += wrapped(console, "Missing  ", f"and {len(missing) - len(shown)} more: -v")
    if lines:
        print_lines(console, lines)


def _shortened(target: str) -> str:
    relative_path = os.path.relpath(target) if os.path.isabs(target) else target
    return target if relative_path.startswith("..") else relative_path
