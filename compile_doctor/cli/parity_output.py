"""Writes what `parity` found wherever it was asked for."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from compile_doctor.errors import UsageError
from compile_doctor.parity.result import Parity
from compile_doctor.render.parity import PARITY_FORMATS, parity_renderer


def check_parity_outputs(output: tuple[str, ...]) -> list[tuple[str, Path]]:
    """Splits FORMAT:PATH; raises UsageError before anything runs."""
    found = []
    for item in output:
        name, colon, path = item.partition(":")
        if not colon or name not in PARITY_FORMATS or not path:
            raise UsageError(f"-o {item}: give FORMAT:PATH, with FORMAT one of {', '.join(PARITY_FORMATS)}.")
        if not Path(path).resolve().parent.is_dir():
            raise UsageError(f"-o {item}: {Path(path).resolve().parent} is no directory.")
        found.append((name, Path(path)))
    return found


def write_parity(parity: Parity, format_: str, writers: list[tuple[str, Path]], verbose: int, quiet: bool) -> int:
    """Returns the exit code."""
    for name, path in writers:
        try:
            path.write_text(parity_renderer(name)(parity, max(verbose, 1)), encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise UsageError(f"-o {name}:{path}: {error.strerror}.") from error
    if format_ != "text" or not quiet or parity.exit_code:
        colour = (sys.stdout.isatty() or bool(os.environ.get("FORCE_COLOR"))) and not os.environ.get("NO_COLOR")
        sys.stdout.write(parity_renderer(format_)(parity, verbose, colour))
    return parity.exit_code
