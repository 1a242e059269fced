"""Reads torch's structured trace record by record, in constant memory, and decodes only the requested kinds.

The format (torch/_logging/_internal.py, `TorchLogsFormatter`): a header line `V<date> <time> <pid> <file:line>] {json}`,
followed by the payload, whose lines all begin with a tab. Headers alone begin with `V`. That letter is rare in traces,
and Python finds a single byte twenty times as fast as two: 20 GB/s against 1 GB/s.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import BinaryIO

BLOCK = 1 << 16
"""Larger ones are slower: they do not fit into the processor's cache, and their memory is mapped anew each time."""
LONGEST_HEADER = 1 << 20
"""torch guarantees headers below 1 MB; a longer one is not a header."""
LONGEST_PAYLOAD = 4 << 20
"""The payloads that are read are stacks and reasons; longer ones are cut."""

NEAR = 4096
"""Bytes of a header in which its kind is."""
SHORT = 256
"""Bytes after a `V` of a payload in which a header is searched for as two bytes: a text full of `V` costs no more."""

_HEADER = re.compile(rb"V\d{4} \S+ (\d+) [^\n]*?\] (\{.*)\Z", re.DOTALL)
_KIND = re.compile(rb'\] \{"(\w+)": (?:\{"name": "([^"]{1,200})")?')
_NAME = re.compile(rb'"name": "([^"]{1,200})"')
_BEGIN = re.compile(
    rb'V[^ \n]+ [^ \n]+ \d+ [^ \n]+\] \{"(artifact": \{"name": "[^"\n]{1,200}(?=")|(?!artifact")\w+(?=": ))'
)
"""A header as far as its kind, as nearly all are written; what does not match is looked at more closely."""
_ARTIFACT = b'artifact": {"name": "'


@dataclass(frozen=True, slots=True)
class Record:
    """One trace record; `json` and `raw` are empty for kinds that were not requested."""

    number: int
    """Its place in the file, from 1."""
    kind: str
    """The record's first key, or `artifact:NAME`; `malformed` if the header cannot be read."""
    pid: str
    json: bytes
    raw: bytes
    """The payload as it is in the file: with a tab before each line."""

    @property
    def payload(self) -> bytes:
        """The payload."""
        return without_tabs(self.raw)


def without_tabs(raw: bytes) -> bytes:
    """A payload as it was before the tabs of the trace."""
    return raw.replace(b"\n\t", b"\n")


def _nothing(kind: str) -> bool:
    return False


def records(stream: BinaryIO, wanted: Collection[str], ignored: Callable[[str], bool] = _nothing) -> Iterator[Record]:
    """Yields the records of `stream` in order, apart from ignored kinds; content only if the kind is in `wanted`."""
    cursor = _Cursor(stream, lambda kind: kind not in wanted and ignored(kind))
    while (header := cursor.header()) is not None:
        kind = kind_of(header)
        if kind in wanted:
            match = _HEADER.match(header)
            if match is None or not header.rstrip().endswith(b"}"):
                yield Record(cursor.number, "malformed", "", b"", b"")
            else:
                yield Record(cursor.number, kind, match[1].decode(), match[2], cursor.payload())
        elif not ignored(kind):
            yield Record(cursor.number, kind, "", b"", b"")


def kind_of(header: bytes) -> str:
    """`dynamo_start`, `artifact:recompile_reasons`, … or `malformed`; a regular expression, not a JSON parser, for speed."""
    match = _KIND.search(header, 0, 4096)
    if match is None:
        return "malformed"
    kind = match[1].decode()
    if kind != "artifact":
        return kind
    name = match[2] or ((found := _NAME.search(header, 0, 4096)) and found[1])
    return f"artifact:{name.decode(errors='replace')}" if name else "malformed"


class _Cursor:
    """A window of the stream that is refilled at its end, so that nothing is copied per record."""

    def __init__(self, stream: BinaryIO, ignored: Callable[[str], bool]) -> None:
        self.stream = stream
        self.buffer = b"\n" + stream.read(BLOCK)
        self.at = 0
        self.number = 0
        self.ignored = ignored
        self.known: dict[bytes, bool] = {}
        """How headers begin, and whether their kind is ignored."""

    def refill(self) -> bool:
        """Drops what was read, appends a block; False at the end of the stream."""
        block = self.stream.read(BLOCK)
        self.buffer, self.at = self.buffer[self.at :] + block, 0
        return bool(block)

    def header(self) -> bytes | None:
        """Moves to the next header that is not skipped and returns it, with the cursor at its line's end.

        None at the end of the stream.
        """
        self.skip()
        while (found := _next(self.buffer, self.at)) < 0:
            self.at = max(self.at, len(self.buffer) - 1)  # a line feed at the very end may belong to the next header
            if not self.refill():
                return None
            self.skip()
        self.number += 1
        self.at = found + 1
        while (end := self.buffer.find(b"\n", self.at)) < 0 and len(self.buffer) - self.at < LONGEST_HEADER:
            if not self.refill():
                break
        end = end if end >= 0 else len(self.buffer)
        header, self.at = self.buffer[self.at : end], end
        return header

    def skip(self) -> None:
        """Moves past records of ignored kinds, as far as their kind is certainly in the window."""
        buffer, find, known = self.buffer, self.buffer.find, self.known
        last = len(buffer) - NEAR
        found, at = _next(buffer, self.at), self.at
        while 0 <= found < last:
            match = _BEGIN.match(buffer, found + 1)
            if match is None or not known.get(match[1], match[1] not in known and self._is_ignored(match[1])):
                break
            self.number += 1
            at = match.end()
            found = find(b"V", at) - 1  # as _next, which is too slow to be called for each
            if buffer[found] != 10:
                found = _next(buffer, at)
        self.at = at if found < 0 else found

    def _is_ignored(self, begin: bytes) -> bool:
        kind = begin.replace(_ARTIFACT, b"artifact:").decode(errors="replace")
        self.known[begin] = self.ignored(kind)
        return self.known[begin]

    def payload(self) -> bytes:
        """The bytes up to the next header."""
        pieces: list[bytes] = []
        size = 0
        while True:
            found = _next(self.buffer, self.at)
            stop = found if found >= 0 else max(self.at, len(self.buffer) - 1)
            if size < LONGEST_PAYLOAD:
                pieces.append(self.buffer[self.at : stop])
                size += stop - self.at
            self.at = stop
            if found >= 0:
                return b"".join(pieces)
            if not self.refill():
                return b"".join([*pieces, self.buffer[self.at :]])


def _next(buffer: bytes, at: int) -> int:
    """The position of the next line feed with a `V` behind it, from `at`; -1 if there is none."""
    found = buffer.find(b"V", at + 1)
    while found >= 0 and buffer[found - 1] != 10:
        near = buffer.find(b"\nV", found, found + SHORT)
        found = near + 1 if near >= 0 else buffer.find(b"V", found + SHORT)
    return found - 1 if found >= 0 else -1
