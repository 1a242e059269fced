"""Writes a page: one file that loads nothing, runs no script but its own, and is complete without that script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compile_doctor.model.sizes import human
from compile_doctor.render.html.code import prose

if TYPE_CHECKING:
    from jinja2 import Environment

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Section:
    """A part of the page under its own heading."""

    id: str
    title: str
    template: str
    data: Any
    level: int = 2
    """Of its heading."""
    count: int | None = None
    """How much there is of it, for the contents."""


@dataclass(frozen=True)
class Page:
    """Everything that a page shows."""

    title: str
    word: str
    """The verdict."""
    tone: str
    """`good`, `bad` or `open`: how the verdict looks."""
    sentence: str
    facts: Sequence[str]
    """What was run, and on what."""
    sections: Sequence[Section]
    figures: Sequence[str] = ()
    """The last line."""


def written(page: Page) -> str:
    """The page as text."""
    style, script = _read("style.css"), _read("script.js")
    template = _environment().get_template("page.html")
    return template.render(page=page, style=style, script=script, policy=_policy(style, script)) + "\n"


def _policy(style: str, script: str) -> str:
    """Nothing is loaded, sent or embedded; hashes name the one style sheet and the one script of the page itself."""
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    # Imported here: every command looks at the names of all formats, few write this one.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    made = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters["prose"] = prose
    made.filters["human"] = human
    # Style and script are files of ours: they are the only text that is not escaped.
    made.filters["ours"] = Markup
    return made
