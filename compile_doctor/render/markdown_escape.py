"""Escapes text so that Markdown shows it unchanged, on GitHub and GitLab too: no markup, links, mentions or emoji."""

from __future__ import annotations

import re
from collections.abc import Sequence

from compile_doctor.render.entries import one_line

_MARKS = {mark: f"\\{mark}" for mark in "*_[]~"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
# Tables are split into cells before escapes are read; in math, code and escapes a backslash is a backslash.
_MARKS |= {mark: f"&#{ord(mark)};" for mark in "|\\`$"}
_MARK = re.compile("[" + re.escape("".join(_MARKS)) + "]")
_LINK = re.compile(r":(?=//)|(?<=www)\.", re.IGNORECASE)
_NAME = re.compile(r"(?<!&)[@#!%](?=[\w\\-])|:(?=[\w+\\-]+:)")
"""The marks before names of people, issues and emoji. They are found in the rendered text, so escapes do not help."""
_UNSEEN = "&#8203;"


def inline(text: str, limit: int = 300) -> str:
    """One line, for a cell or a paragraph. It must not begin a line of Markdown: put other text before it."""
    found = _MARK.sub(lambda match: _MARKS[match[0]], one_line(text, limit))
    # After the marks, and not within the entities that they become.
    found = _NAME.sub(lambda match: match[0] + _UNSEEN, found)
    return _LINK.sub(lambda match: "\\" + match[0], found)


def code_block(text: str, language: str) -> str:
    """A code block with a fence that the text does not contain."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]], left: int) -> str:
    """As many rows as fit into `left` characters, and the number of those left out."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    left -= sum(map(len, lines))
    for number, row in enumerate(rows):
        line = "| " + " | ".join(row) + " |"
        left -= len(line) + 1
        if left < 0:
            return "\n".join([*lines, "", f"… and {len(rows) - number:,} more"])
        lines.append(line)
    return "\n".join(lines)
