"""The rich console that the text formats print to, as wide as the terminal, and what came of it."""

from __future__ import annotations

import io
import shutil

from rich.console import Console


def make_console(colour: bool) -> Console:
    """Collects what is printed; between 60 and 120 columns."""
    width = max(60, min(shutil.get_terminal_size((100, 40)).columns, 120))
    return Console(
        file=io.StringIO(),
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        highlight=False,
        markup=False,
        emoji=False,
    )


def printed(console: Console) -> str:
    """What was printed, without blanks at the ends of lines."""
    output = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in output.splitlines()) + "\n"
