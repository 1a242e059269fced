"""A page of the site, and functions for the Markdown of pages."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

_CODE = re.compile(r"(```.*?^```|`[^`\n]+`)", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Page:
    """`path` is its Markdown file on the site, such as `checks/cd101.md`; `source` is the file to edit."""

    path: str
    title: str
    """Plain text: the navigation shows it too."""
    description: str
    body: str
    source: str = ""
    heading: str = ""
    """The title as Markdown, if it differs from `title`."""
    hide: Sequence[str] = field(default=())
    """Parts of the theme that the page does not show, such as `toc`."""

    @property
    def markdown(self) -> str:
        """The whole page, with its front matter. Its values are JSON, which is valid YAML with all quotes."""
        facts = {"title": self.title, "description": plain(self.description), "hide": list(self.hide)}
        front = "\n".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in facts.items() if value)
        return f"---\n{front}\n---\n\n# {self.heading or escape(self.title)}\n\n{self.body.strip()}\n"


def plain(text: str, limit: int = 160) -> str:
    """One line without markup, for a description: search engines show about 160 characters."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return textwrap.shorten(re.sub(r"[`*]", "", text), limit, placeholder=" …")


def escape(text: str) -> str:
    """Text in which `code` and *emphasis* are markup, and the rest, such as brackets and underscores, is escaped."""
    parts = _CODE.split(text)
    parts[::2] = [_escape(part) for part in parts[::2]]
    return "".join(parts)


def _escape(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"(\*\*|__|[\[\]])", lambda found: "".join(f"\\{mark}" for mark in found[0]), text)
    return re.sub(r"(?<=[\w)\]]) \* (?=[\w(])", r" \\* ", text)


def prose(text: str) -> str:
    """Paragraphs that were written for a terminal; an indented paragraph is code."""
    blocks = re.split(r"\n\s*\n", textwrap.dedent(text).strip("\n"))
    return "\n\n".join(code(textwrap.dedent(one)) if one.startswith("  ") else escape(one) for one in blocks)


def code(text: str, language: str = "python") -> str:
    """A fenced block, with a fence that is longer than any in the text."""
    longest = max((len(run) for run in re.findall(r"^`{3,}", text, re.MULTILINE)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text.strip(chr(10)).rstrip()}\n{fence}"


def inline(text: str) -> str:
    """`text` as inline code."""
    mark = "``" if "`" in text else "`"
    pad = " " if mark in text or text[:1] == "`" or text[-1:] == "`" else ""
    return f"{mark}{pad}{text}{pad}{mark}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table. Cells are Markdown of one line; a bar in a cell is escaped here."""
    lines = [list(head), ["---"] * len(head), *map(list, rows)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def facts(found: Iterable[tuple[str, str]]) -> str:
    """A table of names and values, without a head. Empty values are omitted."""
    return table(("", ""), [(f"**{name}**", value) for name, value in found if value])


def bullets(items: Iterable[str]) -> str:
    """A list of one-line items."""
    return "\n".join(f"- {item}" for item in items)


def sections(*parts: tuple[str, str]) -> str:
    """Each part under its heading, without one if it is empty. Parts without text are omitted."""
    return "\n\n".join(f"## {title}\n\n{text}" if title else text for title, text in parts if text)
