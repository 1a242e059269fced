"""Calls the command line of compile-doctor and reads its JSON; if there is none, the result has the reason."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from processes import Finished, run

BASE = [sys.executable, "-m", "compile_doctor"]


def diagnose(
    target: Path | str, options: Sequence[str] = (), timeout: float = 300, env: dict[str, str] | None = None
) -> dict[str, Any]:
    return read(run([*BASE, "diagnose", str(target), "--format", "json", *options], env, timeout))


def report(capture: Path, timeout: float = 300) -> dict[str, Any]:
    return read(run([*BASE, "report", str(capture), "--format", "json"], timeout=timeout))


def read(finished: Finished) -> dict[str, Any]:
    """The report with `exit`, `wall_seconds` and `peak_mb` added; `error` if there is no report."""
    measured = {
        "exit": finished.code,
        "wall_seconds": round(finished.seconds, 2),
        "peak_mb": round(finished.peak_mb, 1),
    }
    try:
        document = json.loads(finished.stdout)
    except json.JSONDecodeError:
        return {**measured, "error": finished.last_error()}
    if not isinstance(document, dict) or "summary" not in document:
        return {**measured, "error": "no report in the output"}
    return {**document, **measured}


def findings(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Code and place of each finding, in the short form of the results files."""
    kept = []
    for finding in document.get("findings", []):
        place = finding.get("location")
        kept.append(
            {
                "code": finding["code"],
                "severity": finding.get("severity"),
                "file": place["file"] if place else None,
                "line": place["line"] if place else None,
                "owner": finding.get("owner"),
                "count": finding.get("count", 1),
            }
        )
    return kept
