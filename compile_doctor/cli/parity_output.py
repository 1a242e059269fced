"""Writes what `parity` found wherever it was asked for."""

from __future__ import annotations

from pathlib import Path

from compile_doctor.cli.output import print_data, write_file
from compile_doctor.parity.result import Parity
from compile_doctor.render.parity import parity_renderer


def write_parity(parity: Parity, format_: str, writers: list[tuple[str, Path]], verbose: int, quiet: bool) -> int:
    """Returns the exit code."""
    for name, path in writers:
        write_file(f"-o {name}:{path}", path, parity_renderer(name)(parity, max(verbose, 1)))
    if format_ != "text" or not quiet or parity.exit_code:
        print_data(lambda colour: parity_renderer(format_)(parity, verbose, colour))
    return parity.exit_code
