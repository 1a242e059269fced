"""The files of a capture, in a folder or in a zip: their names checked, their bytes capped, their line ends made alike.

A copy may have been through a program that writes `\\r\\n`: what is read, counted and hashed has `\\n`.
"""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, cast

from compile_doctor.capture.safe_files import UnsafeFileError, open_regular, read_capped
from compile_doctor.capture.schema import Member
from compile_doctor.errors import CaptureError

SEAL = "seal.json"
MOST_FILES = 100_000
LONGEST_LINE = 16 << 20
"""Bytes of one event."""
PACKED = 64 << 20
"""Bytes that a zip may unpack to however small it is; beyond them `RATIO` counts."""
RATIO = 250
"""Traces, which repeat themselves, pack to a thirtieth; zlib's most is a thousandth, and takes a bomb to reach."""
BLOCK = 1 << 20

_APART = re.compile(r"(?:^|/)(?:\.[^/]*|__MACOSX)(?:/|$)|^with-recipes/|(?:^|/)files-\d+\.json$")
"""Not of the capture itself: hidden files, the run with recipes beside it, what the cache notes."""


_HASHING = ThreadPoolExecutor(1, "hash")
"""A digest is made beside the reading: hashlib lets other threads run, and a trace may have hundreds of megabytes."""


class Stream:
    """Reads one member; `drain` gives what a seal says of it."""

    def __init__(self, raw: BinaryIO, most: int | None, records: bool = False, hashed: bool = True) -> None:
        """`most`: bytes that it may have. `records`: count its lines. `hashed`: a trace without a seal needs no digest."""
        self._raw = raw
        self._most = most
        self._held = b""
        self._hash = hashlib.sha256()
        self._hashed = hashed
        self._hashing: Future[None] | None = None
        self._lines = 0 if records else None
        self._size = self._taken = 0
        self.ended = False

    def read(self, size: int = -1) -> bytes:
        """About `size` bytes; fewer or none at the end only. Raises UnsafeFileError beyond what a zip may unpack to."""
        block = self._raw.read(size)
        self._taken += len(block)
        if self._most is not None and self._taken > self._most:
            raise UnsafeFileError("it unpacks to more than such a zip can hold: this looks like a zip bomb")
        self.ended = not block
        block, self._held = self._held + block, b""
        if b"\r" in block:
            if block.endswith(b"\r") and not self.ended:
                block, self._held = block[:-1], b"\r"
            block = block.replace(b"\r\n", b"\n")
            if not block and not self.ended:
                return self.read(size)
        self._count(block)
        return block

    def _count(self, block: bytes) -> None:
        self._size += len(block)
        if self._lines is not None:
            self._lines += block.count(b"\n")
        if self._hashing is not None:
            self._hashing.result()
        if self._hashed:
            self._hashing = _HASHING.submit(self._hash.update, block)

    def drain(self) -> Member:
        """Reads what is left; what a seal says of the whole."""
        while not self.ended:
            self.read(BLOCK)
        if self._hashing is not None:
            self._hashing.result()
        return Member(self._size, self._hash.hexdigest(), self._lines)

    def lines(self) -> Iterator[bytes]:
        """Line by line without its end; one that is longer than LONGEST_LINE comes as nothing but a `{`, which no reader takes."""
        rest, too_long = b"", False
        while block := self.read(BLOCK):
            *whole, rest = (rest + block).split(b"\n")
            for line in whole:
                yield b"{" if too_long else line
                too_long = False
            if len(rest) > LONGEST_LINE:
                rest, too_long = b"", True
        if rest or too_long:
            yield b"{" if too_long else rest

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *error: object) -> None:
        self._raw.close()


class Members:
    """Every file below a folder, or below the folder of a zip that holds the capture."""

    def __init__(self, path: Path, above: Members | None = None, folder: str = "") -> None:
        """`folder` of the capture `above`, or a capture by itself. Raises CaptureError or OSError, or what zipfile raises, if there is nothing that can be listed."""
        self.path = path
        self.refused: dict[str, str] = {}
        """Names that are there and are not read, and why."""
        self._folder = folder
        self.sealed = True
        """Whether digests are wanted: not of a trace that nobody sealed."""
        self._digests: dict[str, Member] = above._digests if above else {}
        self._zip: zipfile.ZipFile | None = (
            above._zip if above else None if path.is_dir() else zipfile.ZipFile(open_regular(path))
        )
        listed = self._listed()
        self.prefix: str = _prefix(path, listed) if above is None else f"{above.prefix}{folder}" if self._zip else ""
        inside = (name.removeprefix(self.prefix) for name in listed if name.startswith(self.prefix))
        self.names = sorted(name for name in inside if not _APART.search(name))
        """Relative, with slashes."""

    def below(self, folder: str) -> Members:
        """The files of a folder, as a capture of its own."""
        return Members(self.path if self._zip else self.path / self.prefix / folder, self, folder + "/")

    def _listed(self) -> list[str]:
        listed = self._in_zip(self._zip) if self._zip is not None else self._in_folder()
        found: set[str] = set()
        for name in listed:
            if len(found) >= MOST_FILES:
                raise CaptureError(f"{self.path} holds more than {MOST_FILES:,} files: that is not a capture.")
            if name in found:
                self.refused[name] = "is there twice"
            found.add(name)
        return sorted(found - self.refused.keys())

    def _in_zip(self, archive: zipfile.ZipFile) -> Iterator[str]:
        for entry in archive.infolist():
            name = entry.filename
            if name.endswith("/"):
                continue
            if name.startswith("/") or "\\" in name or ":" in name or ".." in name.split("/"):
                self.refused[name] = "has a name that leads out of the capture"
            elif (entry.external_attr >> 16) & 0o170000 not in (0, 0o100000):
                self.refused[name] = "is not a regular file"
            else:
                yield name

    def _in_folder(self) -> Iterator[str]:
        folders = [self.path]
        while folders:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    name = Path(entry.path).relative_to(self.path).as_posix()
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(Path(entry.path))
                    elif entry.is_file(follow_symlinks=False):
                        yield name
                    elif not _APART.search(name):
                        self.refused[name] = "is a symbolic link" if entry.is_symlink() else "is not a regular file"

    def open(self, name: str) -> Stream:
        """Raises OSError, or what zipfile raises."""
        if self._zip is None:
            file = self.path / (self.prefix + name)
            return Stream(open_regular(file, follow=False), None, name.endswith(".jsonl"), self.sealed)
        entry = self._zip.getinfo(self.prefix + name)
        most = max(PACKED, RATIO * entry.compress_size)
        return Stream(cast(BinaryIO, self._zip.open(entry)), most, name.endswith(".jsonl"), self.sealed)

    def read(self, name: str, limit: int) -> bytes:
        """The whole member. Raises UnsafeFileError for more than `limit` bytes."""
        with self.open(name) as stream:
            content = read_capped(cast(BinaryIO, stream), limit)
            self.note(name, stream)
        return content

    def first_bytes(self, name: str) -> bytes:
        """Of a trace: `V<date> <time>` of its first record."""
        with self.open(name) as stream:
            return stream.read(21)

    def note(self, name: str, stream: Stream) -> None:
        """Keeps what a seal says of a member that was read, so that it is read once."""
        if self.sealed:
            self._digests[self._folder + name] = stream.drain()

    def digest(self, name: str) -> Member:
        """What a seal says of the member."""
        if self._folder + name not in self._digests:
            with self.open(name) as stream:
                self.note(name, stream)
        return self._digests[self._folder + name]

    def forget(self, name: str) -> None:
        """The member was written anew."""
        self._digests.pop(self._folder + name, None)
        if name not in self.names:
            self.names = sorted([*self.names, name])


def _prefix(path: Path, names: list[str]) -> str:
    """`zip -r run1.zip run1` puts everything below `run1/`. Raises CaptureError for several captures in one place."""
    if any(name in ("capture.json", SEAL) for name in names):
        return ""
    folders = {name.rpartition("/")[0] for name in names if name.endswith(("/capture.json", "/" + SEAL))}
    tops = sorted(one for one in folders if not any(one.startswith(other + "/") for other in folders))
    if len(tops) > 1:
        listed = ", ".join(tops[:4]) + (", …" if len(tops) > 4 else "")
        raise CaptureError(f"{path} holds {len(tops)} captures: {listed}.", hint="Report them one by one.")
    return f"{tops[0]}/" if tops else ""
