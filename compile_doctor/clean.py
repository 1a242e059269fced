"""Makes strings safe for a terminal, a log or a file: every string from outside passes here once before it is shown.

Formats get a structure that is already clean (`cleaned`); messages on stdout and stderr go through `say`.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import fields, is_dataclass, replace
from functools import cache, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

_UNSEEN = (
    r"\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    r"\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    r"\U000110bd\U000110cd\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Unicode's control and format characters, line separators, surrogates, and invisible letters."""
_IN_TEXT = re.compile(rf"[\x00-\x08\x0b-\x1f{_UNSEEN}]")
_IN_NAMES = re.compile(rf"[\x00-\x1f{_UNSEEN}]")
_LINE_END = re.compile(r"\r\n?")
_NAMES = frozenset({"file", "function", "name", "cwd", "target", "subject"})
"""Fields that name a file, a function or a target: there a line feed is as unexpected as an escape."""
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_COMMAND = re.compile(r"^([^\S\n]*):(?=:)|##(?=\[)", re.MULTILINE)

Value = TypeVar("Value")
Result = TypeVar("Result")
Rest = ParamSpec("Rest")


def clean(value: Value) -> Value:
    """The same value with the invisible characters in its strings written out: `\\x1b`, `\\u202e`.

    Tabs and line feeds are kept, other line ends become line feeds; in names of files and functions, and in keys, they
    are written out too. A value that is already clean is returned unchanged.
    """
    result: Value = _clean(value, False)
    return result


def cleaned(
    function: Callable[Concatenate[Value, Rest], Result],
) -> Callable[Concatenate[Value, Rest], Result]:
    """A decorator for renderers: cleans their first argument."""

    @wraps(function)
    def with_clean(value: Value, /, *arguments: Rest.args, **options: Rest.kwargs) -> Result:
        return function(clean(value), *arguments, **options)

    return with_clean


def say(text: str, error: bool = True, end: str = "\n") -> None:
    """Prints a message on stderr, or an answer on stdout. Errors of writing to stderr are ignored."""
    stream = sys.stderr if error else sys.stdout
    with suppress(OSError) if error else nullcontext():
        if stream is not None:  # None if it was closed before we began
            print(without_commands(clean(text)), file=stream, end=end, flush=True)


def quoted(text: str) -> str:
    """The output of a program for `say`, without colours: it looks the same on a terminal and in a log.

    A colour may hide text. Other control sequences (titles, cursor moves) are written out.
    """
    return _COLOUR.sub("", text)


def without_commands(text: str) -> str:
    """Escapes workflow commands: in GitHub Actions a line that begins with `::`, or contains `##[`, may be one."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return text
    return _COMMAND.sub(lambda found: f"{found[1]}\\u003a" if found[1] is not None else "#\\u0023", text)


def _clean(value: Any, named: bool) -> Any:
    if isinstance(value, str):
        return _text(value, named)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        items = [_clean(item, name in _NAMES) for name, item in zip(value._fields, value)]
        return value if all(new is old for new, old in zip(items, value)) else type(value)(*items)
    if isinstance(value, (tuple, list)):
        items = [_clean(item, named) for item in value]
        return value if all(new is old for new, old in zip(items, value)) else type(value)(items)
    if isinstance(value, Mapping):
        pairs = [(_clean(key, True), _clean(item, False)) for key, item in value.items()]
        same = all(new[0] is old[0] and new[1] is old[1] for new, old in zip(pairs, value.items()))
        return value if same else dict(pairs)
    if not is_dataclass(value) or isinstance(value, type):
        return value
    changed = {}
    for name in _fields(type(value)):
        old = getattr(value, name)
        new = _clean(old, name in _NAMES)
        if new is not old:
            changed[name] = new
    return replace(value, **changed) if changed else value


@cache
def _fields(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def _text(text: str, named: bool) -> str:
    if text.isascii() and text.isprintable():
        return text
    if named:
        return _IN_NAMES.sub(_written, text)
    # A file may begin with a byte order mark, which is not part of its first line.
    return _IN_TEXT.sub(_written, _LINE_END.sub("\n", text.removeprefix("\ufeff")))


def _written(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
