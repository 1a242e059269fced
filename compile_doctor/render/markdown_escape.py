"""Text that Markdown renders as that text, on GitHub and GitLab too: no markup, no links, no mentions, no emoji."""

from __future__ import annotations

import re
from collections.abc import Sequence

from compile_doctor.render.entries import one_line

_MARKS = {mark: f"\\{mark}" for mark in "*_[]~"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
# A table is cut into cells before escapes are read; in math, code and escapes themselves a backslash means itself.
_MARKS |= {mark: f"&#{ord(mark)};" for mark in "|\\`$"}
_MARK = re.compile("[" + re.escape("".join(_MARKS)) + "]")
_LINK = re.compile(r":(?=//)|(?<=www)\.", re.IGNORECASE)
_NAME = re.compile(r"(?<!&)[@#!%](?=[\w\\-])|:(?=[\w+\\-]+:)")
"""Before names of people, issues and emoji, which are looked for in the finished text: no escape reaches that."""
_UNSEEN = "&#8203;"


def inline(text: str, limit: int = 300) -> str:
    """One line, for a cell or a paragraph; what begins a line has to be put before it."""
    found = _MARK.sub(lambda match: _MARKS[match[0]], one_line(text, limit))
    # After the marks, and not within the entities made there.
    found = _NAME.sub(lambda match: match[0] + _UNSEEN, found)
    return _LINK.sub(lambda match: "\\" + match[0], found)


def code_block(text: str, language: str) -> str:
    """Between fences that the text does not have."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]], left: int) -> str:
    """As many rows as fit into `left` characters, and how many there would be."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    left -= sum(map(len, lines))
    for number, row in enumerate(rows):
        line = "| " + " | ".join(row) + " |"
        left -= len(line) + 1
        if left < 0:
            return "\n".join([*lines, "", f"… and {len(rows) - number:,} more"])
        lines.append(line)
    return "\n".join(lines)
