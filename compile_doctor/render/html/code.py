"""Source lines and prose as markup, with every character of theirs escaped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

from markupsafe import Markup, escape

from compile_doctor.render.entries import cut
from compile_doctor.source import locations

LONGEST = 300
"""Characters of a line that are shown."""
_COLOURED = 300_000
"""Characters of a file that are read for its colours."""
_QUOTED = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Line:
    """One line of a file."""

    number: int
    markup: Markup
    marked: bool = False


def lines(source: str, first: int, last: int, marked: int = 0) -> tuple[Line, ...]:
    """The lines from `first` to `last`, without those that the file does not have."""
    known = _marked_up(source)
    return tuple(
        Line(number, known[number - 1], number == marked) for number in range(max(1, first), min(last, len(known)) + 1)
    )


def prose(text: str) -> Markup:
    """Text in which `code` between backquotes is code."""
    found, end = [], 0
    for match in _QUOTED.finditer(text):
        found += [escape(text[end : match.start()]), Markup("<code>{}</code>").format(match[1])]
        end = match.end()
    return Markup("").join([*found, escape(text[end:])])


@lru_cache(maxsize=64)
def _marked_up(source: str) -> tuple[Markup, ...]:
    """Each line, with its keywords, strings, comments and numbers marked."""
    plain = locations.lines_of(source)
    if len(source) > _COLOURED or any(len(line) > LONGEST for line in plain):
        return tuple(escape(cut(line, LONGEST)) for line in plain)
    found = tuple(_coloured(source))
    return found if len(found) == len(plain) else tuple(map(escape, plain))


def _coloured(source: str) -> Iterator[Markup]:
    from pygments.lexers.python import PythonLexer

    parts: list[tuple[str, str]] = []
    # As written: the lexer would strip empty lines at both ends, and replace tabs.
    for kind, text in PythonLexer(stripnl=False, ensurenl=False).get_tokens(source):
        name = _class(str(kind))
        for number, piece in enumerate(text.split("\n")):
            if number:
                yield _joined(parts)
                parts = []
            parts.append((name, piece))
    yield _joined(parts)


def _joined(parts: list[tuple[str, str]]) -> Markup:
    """Adjacent pieces of one class share an element."""
    found = Markup("")
    for name, group in groupby(parts, key=lambda part: part[0]):
        text = "".join(piece for _, piece in group)
        found += Markup('<span class="{}">{}</span>').format(name, text) if name and text else escape(text)
    return found


def _class(kind: str) -> str:
    for prefix, name in (
        ("Token.Keyword", "k"),
        ("Token.Operator.Word", "k"),
        ("Token.Literal.String", "s"),
        ("Token.Comment", "c"),
        ("Token.Literal.Number", "n"),
        ("Token.Name.Decorator", "d"),
        ("Token.Name.Function", "f"),
        ("Token.Name.Class", "f"),
    ):
        if kind.startswith(prefix):
            return name
    return ""
