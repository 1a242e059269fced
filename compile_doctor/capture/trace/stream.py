"""Reads torch's structured trace record by record, in constant memory, and decodes only the requested kinds.

The format (torch/_logging/_internal.py, `TorchLogsFormatter`): a header line `V<date> <time> <pid> <file:line>] {json}`,
followed by the payload, whose lines all begin with a tab. Headers alone begin with `V`, so searching for a line feed
and a `V` skips payloads of many megabytes at the speed of a memory scan.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import BinaryIO

BLOCK = 1 << 18
LONGEST_HEADER = 1 << 20
"""torch guarantees headers below 1 MB; a longer one is not a header."""
LONGEST_PAYLOAD = 4 << 20
"""The payloads that are read are stacks and reasons; longer ones are cut."""

_HEADER = re.compile(rb"V\d{4} \S+ (\d+) [^\n]*?\] (\{.*)\Z", re.DOTALL)
_KIND = re.compile(rb'\] \{"(\w+)": (?:\{"name": "([^"]{1,200})")?')
_NAME = re.compile(rb'"name": "([^"]{1,200})"')


@dataclass(frozen=True, slots=True)
class Record:
    """One trace record; `json` and `payload` are empty for kinds that were not requested."""

    kind: str
    """The record's first key, or `artifact:NAME`; `malformed` if the header cannot be read."""
    pid: str
    json: bytes
    payload: bytes


def records(stream: BinaryIO, wanted: Collection[str]) -> Iterator[Record]:
    """Yields every record of `stream` in order, with its content only if its kind is in `wanted`."""
    cursor = _Cursor(stream)
    while (header := cursor.header()) is not None:
        kind = kind_of(header)
        if kind not in wanted:
            yield Record(kind, "", b"", b"")
            continue
        match = _HEADER.match(header)
        if match is None or not header.rstrip().endswith(b"}"):
            yield Record("malformed", "", b"", b"")
        else:
            yield Record(kind, match[1].decode(), match[2], cursor.payload().replace(b"\n\t", b"\n"))


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

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.buffer = b"\n" + stream.read(BLOCK)
        self.at = 0

    def refill(self) -> bool:
        """Drops what was read, appends a block; False at the end of the stream."""
        block = self.stream.read(BLOCK)
        self.buffer, self.at = self.buffer[self.at :] + block, 0
        return bool(block)

    def header(self) -> bytes | None:
        """Moves to the next header and returns it, with the cursor at its line's end; None at the end of the stream."""
        while (found := self.buffer.find(b"\nV", self.at)) < 0:
            self.at = max(self.at, len(self.buffer) - 1)  # a line feed at the very end may belong to the next header
            if not self.refill():
                return None
        self.at = found + 1
        while (end := self.buffer.find(b"\n", self.at)) < 0 and len(self.buffer) - self.at < LONGEST_HEADER:
            if not self.refill():
                break
        end = end if end >= 0 else len(self.buffer)
        header, self.at = self.buffer[self.at : end], end
        return header

    def payload(self) -> bytes:
        """The bytes up to the next header."""
        pieces: list[bytes] = []
        size = 0
        while True:
            found = self.buffer.find(b"\nV", self.at)
            stop = found if found >= 0 else max(self.at, len(self.buffer) - 1)
            if size < LONGEST_PAYLOAD:
                pieces.append(self.buffer[self.at : stop])
                size += stop - self.at
            self.at = stop
            if found >= 0:
                return b"".join(pieces)
            if not self.refill():
                return b"".join([*pieces, self.buffer[self.at :]])
