"""Lines of the text report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.cells import cell_len
from rich.console import Console

from compile_doctor.render.finding_text import Line


def print_lines(console: Console, lines: Iterable[Line]) -> None:
    """Prints lines as they are, without a break of the console's, and an empty one behind them."""
    for line, style in lines:
        console.print(line, style=style, soft_wrap=True)
    console.print()


def joined(parts: Iterable[str], mark: str, width: int) -> Iterator[str]:
    """The parts in as few lines as there are, broken only between two of them."""
    line = ""
    for part in parts:
        if line and cell_len(line + mark + part) > width:
            yield line
            line = part
        else:
            line += mark + part if line else part
    if line:
        yield line
