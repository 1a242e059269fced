"""One cell as a process: `diagnose` in the Python of its environment, its evidence and its output in a folder.

A task on a Ray cluster runs this too, so it imports only what needs no other package.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from compile_doctor.processes.children import child_environment, start

CAPTURE, OUTPUT, ENDED = "capture", "output.txt", "cell.json"
"""In a cell's folder: its evidence, what it printed, and how it ended."""
GRACE = 120.0
"""Seconds beyond `--timeout` for importing torch and for the report."""


def arguments(target: str, options: Sequence[str]) -> list[str]:
    """The command line after the Python's name."""
    return ["-m", "compile_doctor", "diagnose", target, *options]


def run_cell(
    python: str, target: str, options: Sequence[str], folder: Path, limit: float, environment: Mapping[str, str]
) -> dict[str, Any]:
    """Runs the cell to its end; returns how it ended: exit code, reason, seconds, and when it began.

    Raises OSError if the Python cannot be started.
    """
    began = time.time()
    command = [python, *arguments(target, [*options, "--capture", str(folder / CAPTURE)])]
    with (folder / OUTPUT).open("wb") as output:
        made = {**child_environment(environment, None), "NO_COLOR": "1", "COLUMNS": "100"}
        kept = start(command, made, limit + GRACE, stdout=output, stderr=output)
        try:
            kept.wait()
        finally:
            kept.end()
    return {"exit_code": kept.code, "ended": kept.why, "began": began, "seconds": round(time.time() - began, 1)}


def own_environment(root: Path) -> dict[str, str]:
    """This process's environment, in which compile-doctor is imported from `root`, which has nothing else."""
    path = [str(root), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    hidden = {"PYTHONHOME", "VIRTUAL_ENV"}  # of this environment, not of the cell's
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return {**kept, "PYTHONPATH": os.pathsep.join(path)}
