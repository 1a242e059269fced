"""The rich console that the text formats print to, as wide as the terminal, and the printed text."""

from __future__ import annotations

import io
import re
import shutil
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from compile_doctor.render.entries import cut

LONGEST = 4_000
"""Longest text in characters: a message may be a megabyte in one line. JSON has all of it."""
_HANGING = "\n   "
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Page(Console):
    """Indents all lines of a text but the first, because a line of other people's text may look like a verdict."""

    def print(self, *objects: Any, **options: Any) -> None:
        found = [_hanging(one) for one in objects]
        plain = [one.plain if isinstance(one, Text) else one for one in found]
        simple = all(isinstance(one, str) and "\t" not in one for one in plain)
        if simple and options.get("soft_wrap") and self.color_system is None:
            self.file.write(" ".join(plain) + "\n")  # the same as rich prints, in a tenth of the time
        else:
            super().print(*found, **options)


def _hanging(one: Any) -> Any:
    if isinstance(one, str):
        return cut(one, LONGEST).replace("\n", _HANGING)
    if isinstance(one, Text) and (len(one) > LONGEST or "\n" in one.plain):
        return Text(_HANGING).join(one[:LONGEST].split("\n"))
    return one


def make_console(colour: bool) -> Console:
    """A console that collects what is printed; between 60 and 120 columns."""
    width = max(60, min(shutil.get_terminal_size((100, 40)).columns, 120))
    return Page(
        file=io.StringIO(),
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        highlight=False,
        markup=False,
        emoji=False,
    )


def printed(console: Console) -> str:
    """The printed text, without blanks at the ends of lines."""
    output = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in output.splitlines()) + "\n"


def rows(text: str, width: int) -> int:
    """How many rows of a terminal the text takes, whose longer lines it wraps."""
    return sum(max(1, -(-cell_len(_COLOUR.sub("", line)) // width)) for line in text.splitlines())
