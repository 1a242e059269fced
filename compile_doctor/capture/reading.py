"""Converts bytes from outside to typed records, with msgspec: wrong types and values are errors, never defaults.

Why msgspec: it reads plain dataclasses (the programs that write the records may not have msgspec), names the field that
is wrong, rejects NaN and infinity, and reads a line in microseconds.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any, TypeVar, overload

import msgspec

from compile_doctor.capture.schema import EVENTS

T = TypeVar("T")


class BadRecordError(ValueError):
    """A record cannot be read; the message is one sentence."""


class UnknownEventError(BadRecordError):
    """An event of a kind that this version does not know."""


class _Envelope(msgspec.Struct):
    event: str


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


@overload
def decode(content: bytes, kind: type[T]) -> T: ...
@overload
def decode(content: bytes, kind: Any) -> Any: ...
def decode(content: bytes, kind: Any) -> Any:
    """A record of this kind. Raises BadRecordError, which names the wrong field and the error."""
    try:
        try:
            return _decoder(kind).decode(content)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            readable = _HALF.sub(_visible, content)
            if readable == content:
                raise
            return _decoder(kind).decode(readable)
    except RecursionError:
        raise BadRecordError("it is nested too deeply") from None
    except (
        ValueError,
        OverflowError,
    ) as error:  # errors of msgspec, text that is not UTF-8, limits of Python's integers
        raise BadRecordError(_in_words(error)) from None


def decode_event(line: bytes) -> Any:
    """One line of the probe's events. Raises BadRecordError."""
    word = decode(line, _Envelope).event
    if word not in EVENTS:
        raise UnknownEventError(f"its kind {word[:60]!r} is unknown: another version wrote it")
    try:
        return decode(line, EVENTS[word])
    except BadRecordError as error:
        raise BadRecordError(f"event {word!r}: {error}") from None


def encode(record: Any) -> bytes:
    """The bytes of a file of a capture: sorted, indented, with a line feed at the end."""
    try:
        text = msgspec.json.encode(record, order="sorted")
    except UnicodeEncodeError:  # the name of a file that is not UTF-8
        text = _HALF.sub(_visible, json.dumps(msgspec.to_builtins(record), sort_keys=True).encode())
    return msgspec.json.format(text, indent=1) + b"\n"


_HALF = re.compile(
    rb"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\(u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
"""Half of a surrogate pair, which Python and torch write for a byte that is not UTF-8; valid escapes match first."""


def _visible(match: re.Match[bytes]) -> bytes:
    """The half written out as text, because it cannot be encoded as a character."""
    return b"\\\\" + match[1] if match[1] else match[0]


def _in_words(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text[:300].replace("`$.", "`")
